import assert from 'node:assert/strict'
import { test } from 'node:test'
import { courseLinkHtml, namedHtml } from '../../src/console/layout/course-names.ts'
import { DEMO } from '../harness.ts'

const courseName = (key: string): string | null => (key === DEMO ? 'Maths <1>' : null)
const NAME = `<bdi title="${DEMO}">Maths &#60;1&#62;</bdi>`

test('a text names courses that the catalogue has, isolated and escaped, with the key on hover', () => {
  for (const [text, named] of [
    [`enrolled in ${DEMO}; enrolled in ${DEMO}`, `enrolled in ${NAME}; enrolled in ${NAME}`],
    [`${DEMO}: enrolled (audit)`, `${NAME}: enrolled (audit)`],
    [`Access ended in ${DEMO}.`, `Access ended in ${NAME}.`],
    ['a < b', 'a &#60; b'],
    ['', ''],
  ] as const)
    assert.equal(namedHtml(text, courseName), named)
})

test('a text keeps the key of an unknown course, and of one that it quotes', () => {
  for (const text of ['no course course-v1:No+Such+Course.', `the LMS says: "${DEMO}"`, `user 'a' in course '${DEMO}'`])
    assert.equal(
      namedHtml(text, courseName).replaceAll(/&#(\d+);/g, (_, code) => String.fromCodePoint(code)),
      text,
    )
})

test('a course is a link to its page in the LMS only if the catalogue has it', () => {
  const of = { lmsUrl: 'https://lms.example.com', courseName }
  assert.match(courseLinkHtml(DEMO, of), /href="https:\/\/lms\.example\.com\/courses\/[^"]+\/about"/)
  assert.doesNotMatch(courseLinkHtml('course-v1:No+Such+Course', of), /href/)
})
