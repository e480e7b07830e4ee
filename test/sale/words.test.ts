import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeAchievements, detailText } from '../../src/sale/words.ts'
import { linesOf } from '../lines.ts'

test('what a buyer achieved is one line, with a percentage and a certificate only where they are known', () => {
  const certificate = { status: 'issued', url: 'https://x.example/c', createdAt: 0 } as const
  assert.equal(
    describeAchievements(
      linesOf(['A', 'B', 'C'], {
        achievements: {
          A: { passedAt: 0 },
          B: { passedAt: 0, percent: 83, certificate },
          C: { passedAt: 0, certificate: { ...certificate, status: 'revoked', url: null } },
        },
      }),
    ),
    'A: passed; B: passed with 83 %, certificate issued, https://x.example/c; C: passed, certificate revoked',
  )
  assert.equal(describeAchievements(linesOf(['A'])), '')
})

test('why a call failed is told to a reader without whether the attempt counts', () => {
  assert.equal(detailText('no attempt counted: The LMS is down'), 'The LMS is down')
  assert.equal(detailText('signed over: raw'), 'signed text: the body as it is (raw)')
})
