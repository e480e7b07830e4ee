import assert from 'node:assert/strict'
import type { StandInOptions } from '../../sandbox/stand-in.ts'
import { DEMO, type Product, startProduct } from '../harness.ts'
import { until } from '../service/process.ts'
import { createVisitor, type Seen, type Visitor } from './visitor.ts'

export const PASSWORD = 'pw-Test-123'
export const STAFF = 'admin@lms.test'
export const LEARNER = 'alice@example.com'
/** Where a service has its console. */
const BASE = '/lernito/console/'

/** Starts the complete service with its console. */
export async function startWithConsole({
  env = {},
  lms = {},
  now = Date.now,
  ...rest
}: {
  env?: Record<string, string>
  lms?: StandInOptions
  now?: () => number
  folder?: string
  followUpMs?: number
  catalogueMs?: number
} = {}) {
  const redirectUris: Record<string, string[]> = {}
  const product = await startProduct({
    lms: { ...lms, redirectUris },
    env: {
      LERNITO_CONSOLE_CLIENT_ID: 'console-client',
      LERNITO_CONSOLE_CLIENT_SECRET: 'console-client-secret',
      ...env,
    },
    now,
    ...rest,
  })
  const console = `${product.url}/lernito/console`
  redirectUris['console-client'] = [`${env.LERNITO_PUBLIC_URL ?? product.url}/lernito/console/callback`]
  return {
    ...product,
    console,
    /** Sells, and gives the delivery's id. */
    idOf: async (email: string, courseIds: readonly string[] = [DEMO], name = 'New'): Promise<string> =>
      String((await product.sell({ email, courseIds, name })).headers['x-lernito-delivery']),
  }
}
export type WithConsole = Awaited<ReturnType<typeof startWithConsole>>

/** Signs in at the stand-in LMS, starting from a page of the console. Returns the answer of the console's callback. */
export async function signIn(
  visitor: Visitor,
  { console, lmsUrl }: Pick<WithConsole, 'console' | 'lmsUrl'>,
  { login = STAFF, page = '/signature' }: { login?: string; page?: string } = {},
): Promise<Seen> {
  const sent = await visitor.get(console + page)
  assert.equal(sent.status, 303)
  const start = await visitor.get(new URL(sent.location, console).href)
  await visitor.post(`${lmsUrl}/login`, { login, password: PASSWORD })
  const back = await visitor.get(start.location)
  assert.equal(back.status, 302, back.text)
  return visitor.get(back.location)
}

/** Returns the CSRF token in the forms of a page. */
export const csrfOf = ({ text }: Pick<Seen, 'text'>): string => text.match(/name="csrf" value="([\w-]+)"/)?.[1] ?? ''

/** Returns a text of a page as a browser reads it. */
export const decode = (text: string): string =>
  text.replace(/&#(\d+);/g, (_all, code) => String.fromCodePoint(Number(code)))

/** Returns the addresses of the links and files of a page. */
export const linksOf = ({ text }: Pick<Seen, 'text'>): string[] =>
  [...text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, link = '']) => decode(link))

/** Returns the text of a page as a person reads it. */
export const readable = ({ text }: Pick<Seen, 'text'>): string =>
  decode(text.replace(/^[\s\S]*<main/, '<main').replace(/<[^>]*>/g, ' ')).replace(/\s+/g, ' ')

/** Returns an operator who is signed in as staff. */
export async function operator(product: Pick<WithConsole, 'console' | 'lmsUrl'>, now?: () => number) {
  const visitor = createVisitor(now === undefined ? {} : { now })
  const back = await signIn(visitor, product)
  assert.equal(back.status, 303, back.text)
  const csrf = csrfOf(await visitor.get(`${product.console}/signature`))
  assert.notEqual(csrf, '')
  const urlOf = (path: string): string =>
    path.startsWith(BASE) ? new URL(path, product.console).href : product.console + path
  /** Opens a page, by its path below the console's or by a link to it; a list with filters that mean nothing leads to one without. */
  const see = async (path: string): Promise<Seen> => {
    const seen = await visitor.get(urlOf(path))
    return seen.location.startsWith(`${BASE}deliveries`) ? visitor.get(urlOf(seen.location)) : seen
  }
  const read = async (path: string): Promise<string> => readable(await see(path))
  return {
    ...visitor,
    csrf,
    /** Posts a form as a page of the console does, and returns the page that shows what it came to, as a browser does. */
    send: async (path: string, form: Record<string, string> = {}) => {
      const seen = await visitor.post(urlOf(path), { csrf, ...form })
      return /[?&]kept=/.test(seen.location) ? visitor.get(urlOf(seen.location)) : seen
    },
    see,
    /** Opens a page, and returns its text. */
    read,
    /** Returns the text of a page once it matches. */
    readUntil: (path: string, words: RegExp): Promise<string> =>
      until(`${path} with ${words}`, async () => {
        const text = await read(path)
        return words.test(text) ? text : undefined
      }),
  }
}
export type { Product }
