import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO, exchange, type Product, payload, signed, startProduct } from '../harness.ts'
import { readDocument, section, tables } from './documents.ts'

/** Registered, not activated. */
const BOB = 'bob@example.com'
const FULL = 'course-v1:Lernito+Full+2026'
const PAID = 'course-v1:Lernito+Pro+2026'

const differences = section(readDocument('docs/reference/webhook.md'), '## Intended differences from the original')
const rows = tables(section(differences, '### People and courses')).flat()

/** What the contract says that this service does in a case. */
function stated(about: RegExp): string {
  const found = rows.filter(([what = '']) => about.test(what))
  assert.equal(found.length, 1, String(about))
  return found[0]?.[2] ?? ''
}

async function product(t: { after: (done: () => Promise<void>) => void }, bulk: boolean): Promise<Product> {
  const started = await startProduct({ lms: { bulk, modify: bulk } })
  t.after(() => started.stop())
  return started
}

const enrolledIn = async ({ lms }: Product): Promise<string[]> =>
  (await lms.state()).enrollments.filter(({ email }) => email === BOB).map(({ course, mode }) => `${course} ${mode}`)
const allowedIn = async ({ lms }: Product): Promise<string[]> =>
  (await lms.state()).allowances.map(({ course }) => course)

test('a full course and a paid-only one: a buyer who has not activated is allowed, and enrolled in audit on activation', async (t) => {
  assert.match(stated(/^a full course.*hasn't activated/), /^200 `Enrollment allowance verified …`: allowed\./)
  const all = await product(t, true)
  for (const course of [FULL, PAID]) {
    const { status, json } = await all.sell({ email: BOB, courseIds: [course] })
    assert.deepEqual(
      { status, json },
      { status: 200, json: { success: true, message: 'Enrollment allowance verified for 1 course(s)' } },
    )
  }
  assert.deepEqual([await enrolledIn(all), (await allowedIn(all)).sort()], [[], [FULL, PAID]])
  await all.lms.activate(BOB)
  assert.deepEqual((await enrolledIn(all)).sort(), [`${FULL} audit`, `${PAID} audit`])
})

test('an earlier allowance of a buyer who has not activated is deleted, with bulk_enroll and without it', async (t) => {
  assert.match(stated(/^an allowance of a buyer who/), /^deleted once the buyer is enrolled /)
  for (const bulk of [true, false]) {
    const all = await product(t, bulk)
    await all.lms.seed({ allowances: [{ email: BOB, course: DEMO, auto_enroll: true, used: false }] })
    assert.equal((await all.sell({ email: BOB })).status, 200)
    assert.deepEqual(await enrolledIn(all), [`${DEMO} audit`])
    assert.deepEqual(await allowedIn(all), [])
  }
})

test('Content-Type: application/* is refused', async (t) => {
  assert.match(differences, /^\| 415 for [^|]*`application\/\*`/m)
  const all = await product(t, true)
  const body = payload({ email: 'new@example.com' })
  const headers = { ...signed(body), 'content-type': 'application/*' }
  assert.equal((await exchange({ url: all.webhook, headers, body })).status, 415)
})

test('an address of 255 or 256 characters is refused, and one of 254 is accepted', async (t) => {
  const all = await product(t, true)
  const domain = `@${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.com`
  const statuses = []
  for (const length of [254, 255, 256]) {
    const email = `${'x'.repeat(length - domain.length)}${domain}`
    statuses.push((await all.sell({ email })).status)
  }
  assert.deepEqual(statuses, [200, 400, 400])
})
