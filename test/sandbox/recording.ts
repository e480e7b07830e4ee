import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { allowanceRow, enrollmentRow, readWorld, type World } from '../../sandbox/lms/world.ts'
import { type StandInOptions, startStandIn } from '../../sandbox/stand-in.ts'

export const rows = z.object({ enrollments: z.array(enrollmentRow), allowances: z.array(allowanceRow) })
/** A call and its answer, or with an effect alone, what was changed by hand. */
export const exchangeSchema = z.object({
  name: z.union([z.string(), z.number()]),
  request: z
    .object({
      method: z.string(),
      path: z.string(),
      headers: z.record(z.string(), z.string()).optional(),
      json: z.unknown().optional(),
      text: z.string().optional(),
      raw: z.string().optional(),
      form: z.record(z.string(), z.string()).optional(),
    })
    .optional(),
  response: z
    .object({ status: z.number(), headers: z.record(z.string(), z.string()).optional(), body: z.unknown() })
    .optional(),
  jwt_header: z.unknown().optional(),
  jwt_claims: z.record(z.string(), z.unknown()).optional(),
  effect: rows.optional(),
})
const recordingSchema = z.object({
  state_after: z.union([rows, z.object({ before_activation: rows, after_activation: rows })]).optional(),
  exchanges: z.array(exchangeSchema),
})
type Recording = z.infer<typeof recordingSchema>
export type Exchange = Recording['exchanges'][number]
type RecordedRequest = NonNullable<Exchange['request']>
export type Rows = z.infer<typeof rows>

const folder = new URL('../recordings/lms/', import.meta.url)

/** Reads a recording of the real LMS by its file name. */
export async function readRecording(name: string): Promise<Recording> {
  return recordingSchema.parse(JSON.parse(await readFile(new URL(name, folder), 'utf8')))
}

export async function recordedWorld() {
  return readWorld(JSON.parse(await readFile(new URL('world.json', folder), 'utf8')))
}

const tokenAnswer = z.looseObject({ access_token: z.string() })

/** Gets a token for an application as a client does: a JWT or an opaque token. */
export async function getToken({
  url,
  client,
  type = 'jwt',
}: {
  url: string
  client: 'lernito' | 'plain' | 'course'
  type?: 'jwt' | 'bearer'
}): Promise<string> {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: `${client}-client`,
    client_secret: `${client}-client-secret`,
    token_type: type,
  })
  const response = await fetch(`${url}/oauth2/access_token`, { method: 'POST', body })
  return tokenAnswer.parse(await response.json()).access_token
}

/** A new stand-in with the recorded world or a variant of it, and a function that sends recorded requests to it. */
export async function startRecordedWorld(options: StandInOptions = {}, change = (world: World): World => world) {
  const { url, close } = await startStandIn({ world: change(await recordedWorld()), throttle: 'off', ...options })
  const staff = await getToken({ url, client: 'lernito' })
  const plain = await getToken({ url, client: 'plain' })
  const authorizations: [placeholder: string, authorization: () => Promise<string>][] = [
    ['Bearer <opaque', async () => `Bearer ${await getToken({ url, client: 'lernito', type: 'bearer' })}`],
    ['Bearer <the staff', async () => `Bearer ${staff}`],
    ['<token of the staff', async () => `JWT ${staff}`],
    ['<token of a non-staff', async () => `JWT ${plain}`],
    ['<token of an application whose user is staff of', async () => `JWT ${await getToken({ url, client: 'course' })}`],
  ]

  async function send(request: RecordedRequest): Promise<Response> {
    const headers = new Headers(request.headers)
    const recorded = headers.get('authorization')
    const found = authorizations.find(([placeholder]) => recorded?.includes(placeholder))
    if (found) headers.set('authorization', await found[1]())
    const { method, path, json, form, text, raw } = request
    const body = json !== undefined ? JSON.stringify(json) : form ? new URLSearchParams(form) : (raw ?? text ?? null)
    return await fetch(new URL(path, url), { method, headers, body, redirect: 'manual' })
  }

  async function state(): Promise<Rows> {
    return rows.parse(await (await fetch(`${url}/sandbox/state`)).json())
  }

  async function seed(state: Rows): Promise<void> {
    const response = await fetch(`${url}/sandbox/seed`, { method: 'POST', body: JSON.stringify(state) })
    assert.equal(response.status, 200, await response.text())
  }

  return { url, close, staff, plain, send, state, seed, [Symbol.asyncDispose]: close }
}

/** Fields that differ between any two LMSs: times, numbers and secrets. */
const volatile = new Set([
  'created',
  'created_date',
  'modified_date',
  'uuid',
  'date_joined',
  'activation_key',
  'access_token',
  'refresh_token',
  'download_url',
])
const numbers = new Set(['id', 'user_id', 'user'])

/** An answer's body without the parts that may differ: volatile fields, the host name, pagination cursors. */
export function comparable(value: unknown, url: string): unknown {
  if (typeof value === 'string') return value.replace(url, 'http://lms.test').replace(/cursor=[^&]+/, 'cursor=…')
  if (Array.isArray(value)) return value.map((item) => comparable(item, url))
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).map(([name, field]) => {
    // The recorded world doesn't say whether a person has signed in before.
    if (name === 'last_login') return [name, '…']
    if (volatile.has(name)) return [name, field === null ? null : '…']
    if (numbers.has(name) && typeof field === 'number') return [name, '…']
    return [name, comparable(field, url)]
  })
  return Object.fromEntries(fields)
}

/** Sites word this page as they like; in the older recordings, it is only "Server error". */
const pageTitles: Record<string, string> = { 'There has been a 500 error on the Verify servers': 'Server error' }

/**
 * Compares status, body and headers of an answer with the recorded ones; returns the text of the answer.
 * @param of.plain what of a body is compared
 */
export async function compare(of: {
  response: Response
  exchange: Pick<Exchange, 'name' | 'response'>
  url: string
  plain?: (body: unknown, url: string) => unknown
}): Promise<string> {
  const { response, url, plain = comparable } = of
  const { name, response: recorded } = of.exchange
  assert.ok(recorded)
  const text = await response.text()
  assert.equal(response.status, recorded.status, `${name}: status (${text.slice(0, 300)})`)
  for (const [header, value] of Object.entries(recorded.headers ?? {})) {
    assert.equal(withoutCode(response.headers.get(header)), withoutCode(value), `${name}: ${header}`)
  }
  if (!recorded.headers?.['content-type'] && recorded.headers) {
    assert.equal(response.headers.get('content-type'), null, `${name}: no content type`)
  }
  const page = /^<html>(.*)<\/html>$/.exec(String(recorded.body))?.[1]
  if (page !== undefined) assert.ok(text.includes(`<h1>${pageTitles[page] ?? page}</h1>`), `${name}: page ${text}`)
  else if (recorded.body === '') assert.equal(text, '', `${name}: empty`)
  else assert.deepEqual(plain(JSON.parse(text), url), plain(recorded.body, url), `${name}: body`)
  return text
}

/** A header, without the code that a sign-in adds to the redirect URI. */
const withoutCode = (value: string | null): string | undefined => value?.replace(/code=\w+/, 'code=…')

/** The PKCE challenge of a verifier. */
export function challengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url')
}
