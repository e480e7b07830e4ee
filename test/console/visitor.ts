import assert from 'node:assert/strict'
import texts from '../../src/console/layout/texts.json' with { type: 'json' }
import replies from '../../src/console/pages/deliveries/replies.json' with { type: 'json' }
import reasons from '../../src/sale/reasons.json' with { type: 'json' }
import { exchange } from '../harness.ts'

const PLACEHOLDERS = new Set(JSON.stringify([texts, replies, reasons]).match(/\{\w+\}/g))

export interface Seen {
  readonly status: number
  readonly location: string
  readonly text: string
  readonly headers: Record<string, string | string[] | undefined>
}

/** A minimal browser: it keeps cookies by host, path, and age, and follows no redirect. No page may show a placeholder. */
export function createVisitor({ now = Date.now }: { now?: () => number } = {}) {
  const jar = new Map<string, { value: string; host: string; path: string; line: string; until: number }>()

  const keep = (host: string, lines: readonly string[]): void => {
    for (const line of lines) {
      const [pair = '', ...attributes] = line.split(/;\s*/)
      const [name = '', value = ''] = pair.split('=')
      const of = (attribute: string) =>
        attributes.find((one) => one.toLowerCase().startsWith(attribute))?.slice(attribute.length)
      const age = of('max-age=')
      const until = age === undefined ? Number.POSITIVE_INFINITY : now() + Number(age) * 1000
      jar.set(`${host} ${name}`, { value, host, path: of('path=') ?? '/', line, until })
    }
  }

  async function ask(
    url: string,
    {
      method = 'GET',
      form,
      headers = {},
    }: { method?: string; form?: Record<string, string>; headers?: Record<string, string> } = {},
  ): Promise<Seen> {
    const { host, pathname, origin } = new URL(url)
    const cookies = [...jar]
      .filter(([, one]) => one.host === host && pathname.startsWith(one.path) && one.until > now())
      .map(([key, { value }]) => `${key.split(' ')[1]}=${value}`)
    const {
      status,
      headers: given,
      text,
    } = await exchange({
      url,
      method,
      headers: {
        ...(cookies.length > 0 ? { cookie: cookies.join('; ') } : {}),
        ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        ...(method === 'POST' ? { origin } : {}),
        ...headers,
      },
      body: form === undefined ? '' : new URLSearchParams(form).toString(),
    })
    keep(host, given['set-cookie'] ?? [])
    const shown = given['content-type']?.startsWith('text/html') ? (text.match(/\{\w+\}/g) ?? []) : []
    assert.deepEqual(
      shown.filter((one) => PLACEHOLDERS.has(one)),
      [],
      url,
    )
    return { status, location: given.location ?? '', text, headers: given }
  }

  return {
    ask,
    get: (url: string, headers: Record<string, string> = {}) => ask(url, { headers }),
    post: (url: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
      ask(url, { method: 'POST', form, headers }),
    /** The Set-Cookie lines of its current cookies, by name. */
    cookies: (): Record<string, string> =>
      Object.fromEntries(
        [...jar].filter(([, one]) => one.until > now()).map(([key, { line }]) => [key.split(' ')[1] ?? '', line]),
      ),
    /** Keeps a cookie as if a script of the page at this address had set it. */
    setCookie: (url: string, line: string) => keep(new URL(url).host, [line]),
    forget: () => jar.clear(),
  }
}
export type Visitor = ReturnType<typeof createVisitor>
