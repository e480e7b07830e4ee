import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { DOCUMENTS, ROOT, readDocument } from './documents.ts'

const withoutCode = (text: string): string => text.replace(/^```.*?^```$/gms, '')

/** The anchors that GitHub gives a document's headings. */
function anchors(document: string): string[] {
  const headings = withoutCode(readDocument(document)).match(/^#+ .*$/gm) ?? []
  return headings.map((heading) =>
    heading
      .replace(/^#+ /, '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function problem(document: string, link: string): string | null {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? document : normalize(join(dirname(document), path))
  if (!existsSync(join(ROOT, target))) return `${document} links to ${target}, which isn't there`
  if (anchor === undefined || anchors(target).includes(anchor)) return null
  return `${document} links to #${anchor}, a heading that ${target} doesn't have`
}

test('every link from one document to another leads somewhere', () => {
  const links = DOCUMENTS.flatMap((document) =>
    [...withoutCode(readDocument(document)).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link = '']) => ({ document, link }))
      .filter(({ link }) => !/^[a-z]+:/.test(link)),
  )
  assert.ok(links.length > 20)
  const problems = links.map(({ document, link }) => problem(document, link)).filter((one) => one !== null)
  assert.deepEqual(problems, [])
})

test('every decision has its number in its name and in its title, the three parts, and a line in the index', () => {
  const decisions = DOCUMENTS.filter((path) => path.startsWith('docs/decisions/0'))
  const index = readDocument('docs/decisions/README.md')
  for (const [number, path] of decisions.entries()) {
    const text = readDocument(path)
    assert.match(path, new RegExp(`/${String(number + 1).padStart(4, '0')}-[a-z0-9-]+\\.md$`))
    assert.ok(text.startsWith(`# ${number + 1}. `), path)
    const title = text.slice(2, text.indexOf('\n')).replace(/^\d+\. /, '')
    assert.ok(index.includes(`\n${number + 1}. [${title}](${basename(path)})\n`), path)
    assert.deepEqual(text.match(/^## .*$/gm), ['## Context', '## Decision', '## Consequences'], path)
  }
})
