import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { type Answered, DEMO, exchange, lockDatabase, type Product, payload, signed, startProduct } from '../harness.ts'
import { codes, readDocument, section, tables } from './documents.ts'

const [rows = []] = tables(section(readDocument('docs/reference/webhook.md'), '## Answers'))
const documented = rows.map(([status = '', message = '']) => ({
  status: Number(status),
  message: codes(message)[0] ?? '',
  hasDetail: message.includes('also as `detail`'),
}))
const met = new Set<string>()

let product: Product
before(async () => {
  product = await startProduct({ lms: { bulk: false, modify: false }, env: { LERNITO_ANSWER_WITHIN_MS: '4000' } })
})
after(() => product.stop())
beforeEach(() => product.lms.reset())

const post = (body: string, headers: Record<string, string> = {}, url = product.webhook): Promise<Answered> =>
  exchange({ url, headers: { 'content-type': 'application/json', ...headers }, body })
const postSigned = (body: string, at: Product = product): Promise<Answered> => post(body, signed(body), at.webhook)
const sell = (email: string, courseIds: unknown): Promise<Answered> =>
  postSigned(JSON.stringify({ email, name: 'New', family: 'Comer', username: 'newcomer', courseIds }))

/** The message stands in the table as it came, or up to the … where the LMS's own words follow. */
function assertDocumented({ status, text }: Answered): void {
  const { success, message, ...rest } = JSON.parse(text)
  const said = typeof message === 'string' ? message : JSON.stringify(message)
  const row = documented.find((one) => one.status === status && fits(one.message, said))
  assert.ok(row, `docs/reference/webhook.md has no row for ${status} ${text}`)
  assert.equal(success, status < 300)
  assert.deepEqual(rest, row.hasDetail ? { detail: message } : {})
  met.add(`${row.status} ${row.message}`)
}
function fits(documentedMessage: string, said: string): boolean {
  const [beginning = '', rest] = documentedMessage.split('…')
  return rest === undefined ? said === documentedMessage : said.startsWith(beginning) && said.length > beginning.length
}

const CASES: Readonly<Record<string, () => Promise<Answered>>> = {
  'an enrolled buyer': () => sell('alice@example.com', [DEMO]),
  'a buyer without an account': () => sell('new@example.com', [DEMO]),
  'no JSON': () => post('{"email":nonsense}'),
  'wrong fields': () => sell('nonsense', ['course-v1:a+b+c', null]),
  'no course': () => sell('alice@example.com', []),
  'a malformed course key': () => sell('alice@example.com', ['nonsense']),
  'a missing course': () => sell('alice@example.com', ['course-v1:No+Such+Course']),
  'a retired address': () => sell('retired@example.com', [DEMO]),
  'an address that the LMS takes for another person’s': () => sell('alice@exämple.com', [DEMO]),
  'a full course': () => sell('alice@example.com', ['course-v1:Lernito+Full+2026']),
  'a wrong signature': () => post('{}', { 'x-lernito-signature': 'nonsense' }),
  'another path': () => post('{}', {}, `${product.url}/nothing`),
  'another method': () => exchange({ url: product.webhook, method: 'GET' }),
  'too large a body': () => post(`"${'x'.repeat(65_535)}"`),
  'another type': () => post('{}', { 'content-type': 'text/plain' }),
  'a compressed body': () => post('{}', { 'content-encoding': 'gzip' }),
  'an LMS that is down': async () => {
    await product.lms.faults([{ method: 'POST', path: '/api/enrollment/v1/enrollment', status: 503 }])
    return sell('frank@example.com', [DEMO])
  },
}

for (const [name, ask] of Object.entries(CASES)) {
  test(`the answer to ${name} is as documented`, async () => assertDocumented(await ask()))
}

test('the answer with LERNITO_ANSWER_WITHIN_MS=0 is as documented', async (t) => {
  const hasty = await startProduct({ env: { LERNITO_ANSWER_WITHIN_MS: '0' } })
  t.after(() => hasty.stop())
  const answered = await postSigned(payload({ email: 'alice@example.com' }), hasty)
  assertDocumented(answered)
})

test('the answer for a course without the mode of LERNITO_COURSE_MODE is as documented', async (t) => {
  const demanding = await startProduct({ env: { LERNITO_COURSE_MODE: 'verified' } })
  t.after(() => demanding.stop())
  const body = payload({ email: 'alice@example.com', courseIds: ['course-v1:Lernito+PY101+2026'] })
  assertDocumented(await postSigned(body, demanding))
})

test('the answer when nothing can be stored is as documented, and has no delivery', async (t) => {
  const broken = await startProduct()
  t.after(() => broken.stop())
  const database = await lockDatabase(broken)
  database.exec('ALTER TABLE deliveries RENAME TO elsewhere; COMMIT')
  const answered = await postSigned(payload({ email: 'alice@example.com' }), broken)
  database.close()
  assertDocumented(answered)
  assert.equal(answered.headers['retry-after'], '30')
  assert.equal(answered.headers['x-lernito-delivery'], undefined)
})

test('the answer under overload is as documented', async () => {
  const dear = `[${'1e15,'.repeat(13_000)}0]`
  const unsigned = { 'x-lernito-signature': '0'.repeat(64) }
  for (;;) {
    const answers = await Promise.all(Array.from({ length: 40 }, () => post(dear, unsigned)))
    const busy = answers.find(({ status }) => status === 503)
    if (busy === undefined) continue
    assertDocumented(busy)
    assert.equal(busy.headers['retry-after'], '10')
    return
  }
})

test('every documented answer occurs', () => {
  assert.deepEqual([...met].sort(), documented.map(({ status, message }) => `${status} ${message}`).sort())
})
