import assert from 'node:assert/strict'
import { existsSync, globSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { DOCUMENTS, ROOT, readDocument, tables } from './documents.ts'

const START = 'README.md'
const INDEX = 'docs/README.md'
/** Pages that are documents to their readers, outside docs. */
const ELSEWHERE: readonly string[] = [
  ...['deploy/tutor/README.md', 'examples/README.md', 'test/recordings/README.md'],
  ...['bench/README.md', 'sandbox/README.md', 'src/README.md', 'test/README.md'],
]
const PAGES: readonly string[] = [...DOCUMENTS, ...ELSEWHERE]

interface Link {
  /** The page that has the link. */
  readonly page: string
  /** The path of what it leads to, in the repository. */
  readonly target: string
  readonly anchor: string | null
}

/** Without blocks and spans of code, in which brackets are no link. */
const withoutCode = (text: string): string => text.replace(/^```.*?^```$/gms, '').replace(/`[^`\n]*`/g, 'code')

/** The links and pictures of a page that lead to a file of the repository. */
function linksIn(page: string): Link[] {
  const text = withoutCode(readDocument(page))
  const written = [
    ...text.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g),
    ...text.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm),
    ...text.matchAll(/<(?:a|img)\s[^>]*(?:href|src)="([^"]+)"/g),
  ]
  return written
    .map(([, link = '']) => link)
    .filter((link) => !/^([a-z]+:|\/\/)/i.test(link))
    .map((link) => {
      const [path = '', anchor = null] = link.split('#')
      return { page, target: path === '' ? page : normalize(join(dirname(page), path)), anchor }
    })
}

/** The anchors that GitHub gives a page's headings; equal headings are numbered. */
function anchorsOf(page: string): string[] {
  const text = readDocument(page).replace(/^```.*?^```$/gms, '')
  const seen = new Map<string, number>()
  return (text.match(/^#{1,6} .*$/gm) ?? []).map((heading) => {
    const name = heading
      .replace(/^#+ /, '')
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-')
    const before = seen.get(name) ?? 0
    seen.set(name, before + 1)
    return before === 0 ? name : `${name}-${before}`
  })
}

const LINKS = PAGES.flatMap(linksIn)

test('every link between pages leads to a file of the repository', () => {
  assert.ok(LINKS.length > 100)
  const missing = LINKS.filter(({ target }) => target.startsWith('..') || !existsSync(join(ROOT, target)))
  assert.deepEqual(
    missing.map(({ page, target }) => `${page} links to ${target}`),
    [],
  )
})

test('every link to a part of a page names a heading of that page', () => {
  const wrong = LINKS.filter(({ target, anchor }) => {
    if (anchor === null || !target.endsWith('.md') || !existsSync(join(ROOT, target))) return false
    return !anchorsOf(target).includes(anchor)
  })
  assert.deepEqual(
    wrong.map(({ page, target, anchor }) => `${page} links to ${target}#${anchor}`),
    [],
  )
})

test('a reader who starts at the README reaches every page by links', () => {
  const reached = new Set([START])
  for (const page of reached) {
    if (!PAGES.includes(page)) continue
    for (const { target } of linksIn(page)) reached.add(target)
  }
  assert.deepEqual(
    PAGES.filter((page) => !reached.has(page)),
    [],
  )
})

test('the index names every page of docs except single decisions', () => {
  const named = new Set(linksIn(INDEX).map(({ target }) => target))
  const pages = globSync('docs/**/*.{md,json}', { cwd: ROOT, exclude: ['docs/site/**'] }).filter(
    (path) => path !== INDEX && !path.startsWith('docs/decisions/0'),
  )
  assert.deepEqual(
    pages.filter((path) => !named.has(path)),
    [],
  )
})

test('every table begins with its header, so none is cut by an empty line', () => {
  const cut = PAGES.flatMap((page) => {
    const text = readDocument(page).replace(/^```.*?^```$/gms, '')
    return [...text.matchAll(/(?<!^ *\|.*\n)^\|.*\n(?!\| *:?-)/gm)].map(([row]) => `${page}: ${row}`)
  })
  assert.deepEqual(cut, [])
})

test('every picture of docs is shown on a page', () => {
  const shown = new Set(LINKS.map(({ target }) => target))
  const pictures = globSync('docs/pictures/*', { cwd: ROOT })
  assert.ok(pictures.length > 0)
  assert.deepEqual(
    pictures.filter((path) => !shown.has(path)),
    [],
  )
})

const DECISIONS = DOCUMENTS.filter((path) => path.startsWith('docs/decisions/0'))
const numberOf = (path: string): number => Number(basename(path).slice(0, 4))

test('every decision has its number in its name and in its title, the three parts, and a line in the index', () => {
  const listed = DECISIONS.map((path) => {
    const number = numberOf(path)
    const text = readDocument(path)
    assert.match(path, /\/\d{4}-[a-z0-9-]+\.md$/)
    assert.ok(text.startsWith(`# ${number}. `), path)
    assert.deepEqual(text.match(/^## .*$/gm), ['## Context', '## Decision', '## Consequences'], path)
    return [`${number}`, `[${text.slice(2, text.indexOf('\n')).replace(/^\d+\. /, '')}](${basename(path)})`]
  })
  assert.deepEqual(tables(readDocument('docs/decisions/README.md'))[0], listed)
})

test('every decision that a comment or a page names by its number is there', () => {
  const files = globSync('{src,sandbox,test,bench,scripts,docs}/**/*.{ts,md}', { cwd: ROOT })
  const known = new Set(DECISIONS.map(numberOf))
  const named = [...files, 'README.md', 'CONTRIBUTING.md'].flatMap((path) =>
    [...readDocument(path).matchAll(/\bdecisions?\s+(\d+(?:(?:, | and |, and )\d+)*)/gi)].flatMap(([, list = '']) =>
      (list.match(/\d+/g) ?? []).map((number) => ({ path, number: Number(number) })),
    ),
  )
  assert.ok(named.length > 5)
  assert.deepEqual(
    named.filter(({ number }) => !known.has(number)),
    [],
  )
})
