import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { z } from 'zod'
import { launchBrowser } from '../browser/browser.ts'
import { DOCUMENTS, ROOT } from './documents.ts'

const SITE = join(ROOT, 'docs/site/.vitepress/dist')
const skip = existsSync(join(SITE, 'index.html')) ? false : 'build the site first: npm run site'
const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** The path of a page in the site, as the forge's static pages know it. */
const pathOf = (file: string): string => `/${file.replace(/(^|\/)index\.html$/, '$1')}`
const PAGES = globSync('**/*.html', { cwd: SITE })
  .filter((file) => file !== '404.html')
  .map(pathOf)
  .sort()

const seenSchema = z.object({
  isDark: z.boolean(),
  looks: z.array(z.string()),
  heading: z.string(),
  links: z.array(z.string()),
  ids: z.array(z.string()),
  brokenPictures: z.array(z.string()),
})
type Seen = z.infer<typeof seenSchema>

/** In the browser: what a page has. */
const SEEN = `(() => ({
  isDark: document.documentElement.classList.contains('dark'),
  looks: [...document.querySelectorAll('main *')].map((one) => [one.parentElement.localName, one.localName, (one.getAttribute('class') ?? '').replace(/ _\\S+/, ''), one.getAttribute('style')].join(' ')),
  heading: document.querySelector('main h1')?.textContent ?? '',
  links: [...document.querySelectorAll('a[href]')].map((one) => one.href),
  ids: [...document.querySelectorAll('[id]')].map((one) => one.id),
  brokenPictures: [...document.images].filter((one) => one.complete && one.naturalWidth === 0).map((one) => one.src),
}))()`

/** In the browser: the elements whose text has too little contrast. What is around the text is the same on each page. */
const CONTRAST = `axe.run(location.pathname === '/' ? document : 'main', { runOnly: ['color-contrast'], resultTypes: ['violations'] }).then(({ violations }) =>
  violations.flatMap(({ nodes }) => nodes.map(({ html, failureSummary }) => html.slice(0, 120) + ' ' + failureSummary)))`

describe('the site of the documents, in a browser with a dark theme', { skip }, () => {
  const server = createServer(({ url = '/' }, response) => {
    const { pathname } = new URL(url, 'http://site')
    const file = join(SITE, pathname.endsWith('/') ? `${pathname}index.html` : decodeURI(pathname))
    if (!file.startsWith(SITE) || !existsSync(file)) return response.writeHead(404).end()
    return response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? '' }).end(readFileSync(file))
  })
  let origin: string
  let browser: Browser
  const wrong: string[] = []
  const seen = new Map<string, Seen>()

  async function openPage(): Promise<Page> {
    const context = await browser.newContext({ colorScheme: 'dark', viewport: { width: 1280, height: 900 } })
    const page = await context.newPage()
    page.setDefaultTimeout(15_000)
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') wrong.push(`${page.url()}: ${message.text()}`)
    })
    page.on('pageerror', (error) => wrong.push(`${page.url()}: ${error.message}`))
    return page
  }

  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = z.object({ port: z.number() }).parse(server.address())
    origin = `http://127.0.0.1:${address.port}`
    browser = await launchBrowser()
  })
  after(async () => {
    await browser?.close()
    server.closeAllConnections()
    server.close()
  })

  test('every document is a page', () => {
    assert.ok(PAGES.length >= DOCUMENTS.length, `${PAGES.length} pages, ${DOCUMENTS.length} documents`)
  })

  test('every page opens without an error, with its pictures, and all its text has enough contrast', async () => {
    const page = await openPage()
    await page.addInitScript(AXE)
    const findings: string[] = []
    const checked = new Set<string>()
    for (const path of PAGES) {
      await page.goto(origin + path, { waitUntil: 'load' })
      const found = seenSchema.parse(await page.evaluate(SEEN))
      assert.ok(found.isDark, `${path} is not dark`)
      assert.notEqual(found.heading, '', `${path} has no heading`)
      assert.deepEqual(found.brokenPictures, [], path)
      seen.set(path, found)
      // Only a page with a look that no page before it had: the look for contrast takes seconds.
      if (found.looks.every((look) => checked.has(look))) continue
      for (const look of found.looks) checked.add(look)
      const contrast = z.array(z.string()).parse(await page.evaluate(CONTRAST))
      findings.push(...contrast.map((finding) => `${path}: ${finding}`))
    }
    assert.deepEqual(wrong, [])
    assert.deepEqual(findings, [])
  })

  test('every link leads to a page and to a part that it has, and a reader reaches every page', () => {
    const reached = new Set(['/'])
    const broken: string[] = []
    for (const [path, { links }] of seen) {
      for (const link of links) {
        const { origin: host, pathname, hash } = new URL(link)
        if (host !== origin) continue
        const target = pathname.replace(/\/index\.html$/, '/')
        if (target !== path) reached.add(target)
        const ids = seen.get(target)?.ids
        const isFile = ids === undefined && existsSync(join(SITE, target))
        const isThere = ids === undefined ? isFile : hash === '' || ids.includes(decodeURIComponent(hash.slice(1)))
        if (!isThere) broken.push(`${path} links to ${target}${hash}`)
      }
    }
    assert.equal(seen.size, PAGES.length)
    assert.deepEqual([...new Set(broken)], [])
    assert.deepEqual(
      PAGES.filter((path) => !reached.has(path)),
      [],
    )
  })

  test('a click leads to a page without loading all again, and the search finds a text', async () => {
    const page = await openPage()
    await page.goto(`${origin}/`)
    await page.evaluate('window.isFirst = true')
    await page.locator('main').getByRole('link', { name: 'Doctor' }).first().click()
    await page.getByRole('heading', { level: 1, name: 'Doctor' }).waitFor()
    assert.equal(await page.evaluate('window.isFirst'), true)
    await page.keyboard.press('Control+k')
    await page.getByRole('searchbox').fill('shedding')
    const result = page.locator('#localsearch-list a.result').first()
    const found = (await result.getAttribute('href')) ?? ''
    await result.click()
    await page.waitForURL(origin + found)
    await page.locator('main', { hasText: 'shedding' }).waitFor()
  })
})
