import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')
/** Where the documents are copied for the build, each at its path in the repository. */
export const COPIES = join(import.meta.dirname, 'generated')
export const OPENAPI = 'docs/reference/openapi.json'
/** The page that is made of it. */
export const OPENAPI_PAGE = 'docs/reference/openapi.md'
const INDEX = 'docs/README.md'

/** Documents outside docs that are pages of the site, with their place in it. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'README.md': 'about.md',
  'CONTRIBUTING.md': 'contributing.md',
  'CHANGELOG.md': 'changelog.md',
  'SECURITY.md': 'security-policy.md',
  'CODE_OF_CONDUCT.md': 'code-of-conduct.md',
  'deploy/tutor/README.md': 'how-to/tutor.md',
  'sandbox/README.md': 'stand-in.md',
}

/** The place of a document in the site. The README of a folder is its index. */
const placeOf = (source: string): string =>
  ELSEWHERE[source] ?? source.replace(/^docs\//, '').replace(/(^|\/)README\.md$/, '$1index.md')

/** The documents that are pages of the site, by their path in the repository. */
export const SOURCES = globSync(['docs/**/*.md', ...Object.keys(ELSEWHERE)], { cwd: ROOT, exclude: ['docs/site/**'] })

/** Every page: its document's path in the repository, and its place in the site. */
export const PLACES: Readonly<Record<string, string>> = Object.fromEntries(
  [...SOURCES, OPENAPI_PAGE].map((source) => [source, placeOf(source)]),
)

const textOf = (source: string): string => readFileSync(join(ROOT, source), 'utf8')
const titleOf = (source: string): string =>
  source === OPENAPI_PAGE ? 'OpenAPI document' : (/^# (.*)$/m.exec(textOf(source))?.[1]?.replaceAll('`', '') ?? source)

/** The path in the repository that a link on a page leads to, and its anchor. */
function targetOf({ source, href }: { source: string; href: string }): { path: string; anchor: string } {
  const [path = '', anchor] = href.split('#')
  return {
    path: path === '' ? source : normalize(join(dirname(source), decodeURI(path))),
    anchor: anchor === undefined ? '' : `#${anchor}`,
  }
}

/**
 * Where a link of a document leads on the site: to another page, to the forge for what is no page, or null if the forge
 * is not known. `repository`: the address of the repository on the forge, without a slash at the end.
 */
export function linkOnSite(of: { source: string; href: string; repository: string | undefined }): string | null {
  const { source, href, repository } = of
  if (/^([a-z]+:|\/\/|#)/i.test(href)) return href
  const { path, anchor } = targetOf({ source, href })
  const place = path === OPENAPI ? PLACES[OPENAPI_PAGE] : PLACES[path]
  if (place !== undefined) return `/${place}${anchor}`
  return repository === undefined ? null : `${repository}/blob/main/${path}`
}

/** The anchor of a heading, as the forge makes it. */
export const slugOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

interface Item {
  readonly text: string
  readonly link: string
}
interface Group {
  readonly text: string
  readonly collapsed?: boolean
  readonly items: readonly Item[]
}

/** The pages that a part of a document links to, in its order, each with its title. */
function itemsOf({ source, text }: { source: string; text: string }): Item[] {
  const paths = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, href = '']) => targetOf({ source, href }).path)
  return [...new Set(paths)].flatMap((path) => {
    const page = path === OPENAPI ? OPENAPI_PAGE : path
    const place = PLACES[page]
    return place === undefined ? [] : [{ text: titleOf(page), link: `/${place.replace(/(index)?\.md$/, '')}` }]
  })
}

/** The navigation: a group for each heading of the index, with the pages that it is the first to name. */
export function sidebar(): Group[] {
  const seen = new Set<string>()
  const groups = textOf(INDEX)
    .split(/^## /m)
    .slice(1)
    .map((part) => {
      const items = itemsOf({ source: INDEX, text: part }).filter(({ link }) => !seen.has(link))
      for (const { link } of items) seen.add(link)
      return { text: part.slice(0, part.indexOf('\n')), items }
    })
    .filter(({ items }) => items.length > 0)
  const decisions = 'docs/decisions/README.md'
  const rest = itemsOf({ source: decisions, text: textOf(decisions) }).filter(({ link }) => !seen.has(link))
  return [...groups, { text: 'Decisions', collapsed: true, items: rest }]
}
