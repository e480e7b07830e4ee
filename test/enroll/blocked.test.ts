import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { defaultWorld } from '../../sandbox/default-world.ts'
import type { StandInOptions } from '../../sandbox/stand-in.ts'
import { type Buyer, DEMO, type Product, startProduct } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'
import { until } from '../service/process.ts'

const OTHER = 'course-v1:Lernito+Other+2026'
const UNION = 'course-v1:Lernito+UNION.SELECT+2026'
const KINDS = [{ kind: 'an LMS with both batch APIs', lms: {} }, ...LMS_KINDS]

/** A product on the real call budget, whose clock can be set ahead. */
async function start(t: TestContext, lms: StandInOptions = {}) {
  const clock = { ahead: 0 }
  const courses = [OTHER, UNION].map((id) => ({ id, name: id }))
  const world = { ...defaultWorld, courses: [...defaultWorld.courses, ...courses] }
  const product = await startProduct({
    lms: { world, ...lms },
    env: { LERNITO_LMS_CALLS_PER_MINUTE: '110', LERNITO_ANSWER_WITHIN_MS: '20000' },
    now: () => Date.now() + clock.ahead,
  })
  t.after(() => product.stop())
  return { product, clock }
}

/** Sells to all at once, and gives the status of each answer. */
const sellAll = ({ sell }: Product, buyers: readonly Buyer[]): Promise<number[]> =>
  Promise.all(buyers.map(async (buyer) => (await sell(buyer)).status))

const manyOf = (count: number, email: (i: number) => string): Buyer[] =>
  Array.from({ length: count }, (_, i) => ({ email: email(i) }))

const WORDS = /something in front of the LMS.* blocks this request/i
const opened = ({ log }: Product) => log.filter(({ msg }) => String(msg).startsWith('LMS unavailable'))

/** Why `count` deliveries need attention, after a few minutes in which their next attempts came due. */
async function untilAttention({
  product,
  clock,
  count,
}: {
  product: Product
  clock: { ahead: number }
  count: number
}) {
  const began = clock.ahead
  return until(`${count} deliveries that need attention`, () => {
    clock.ahead += 500
    const found = product.log.filter(({ msg }) => msg === 'delivery needs attention')
    assert.ok(clock.ahead - began < 10 * 60_000, 'it takes more than ten minutes')
    return found.length < count ? undefined : found.map(({ detail }) => String(detail))
  })
}

for (const { kind, lms } of KINDS) {
  test(`${kind}: thirty buyers whose address a firewall blocks keep no other from an answer, and soon need attention`, async (t) => {
    const { product, clock } = await start(t, lms)
    await product.lms.faults([{ naming: '<script>', status: 403 }])
    const blocked = sellAll(
      product,
      manyOf(30, (i) => `"<script>${i}"@example.com`),
    )
    await until('the first 403', async () =>
      (await product.lms.calls()).some(({ status }) => status === 403) ? true : undefined,
    )
    const sold = await sellAll(
      product,
      manyOf(6, (i) => `good${i}@example.com`),
    )
    assert.deepEqual(new Set(sold), new Set([200]))
    assert.deepEqual(new Set(await blocked), new Set([500]))
    const reasons = await untilAttention({ product, clock, count: 30 })
    for (const reason of reasons) assert.match(reason, WORDS)
    assert.deepEqual(opened(product), [])
  })
}

test('a firewall that reads bodies only and blocks one of a batch keeps the others from nothing', async (t) => {
  const { product, clock } = await start(t)
  await product.lms.faults([{ method: 'POST', naming: "'or'", status: 406 }])
  const buyers = manyOf(29, (i) => (i === 17 ? `1'or'1@example.com` : `new${i}@example.com`))
  const sold = await sellAll(product, buyers)
  assert.deepEqual(
    sold,
    buyers.map((_, i) => (i === 17 ? 500 : 200)),
  )
  await product.lms.forgetCalls()
  const [reason = ''] = await untilAttention({ product, clock, count: 1 })
  assert.match(reason, WORDS)
  const batches = (await product.lms.calls()).filter(({ path, status }) => /bulk|modify/.test(path) && status === 406)
  assert.deepEqual(batches, [], 'it is in no batch again')
})

test('a course that gets a 400 in HTML keeps no other course from enrolling, and its sale soon needs attention', async (t) => {
  const { product, clock } = await start(t)
  await product.lms.faults([{ naming: 'UNION.SELECT', status: 400 }])
  assert.equal((await product.sell({ email: 'a@example.com', courseIds: [UNION] })).status, 500)
  assert.equal((await product.sell({ email: 'b@example.com', courseIds: [OTHER] })).status, 200)
  const [reason = ''] = await untilAttention({ product, clock, count: 1 })
  assert.match(reason, WORDS)
  assert.deepEqual(opened(product), [])
})

test('a sale that a firewall blocked is enrolled by its next attempt once the firewall lets it through', async (t) => {
  const { product, clock } = await start(t)
  const buyer = { email: '"<script>1"@example.com' }
  await product.lms.faults([{ naming: '<script>', status: 403 }])
  assert.equal((await product.sell(buyer)).status, 500)
  await product.lms.noFaults()
  clock.ahead += 60_000
  const allowances = await until('the allowance', async () => {
    const found = (await product.lms.state()).allowances
    return found.length > 0 ? found : undefined
  })
  assert.deepEqual(
    allowances.map(({ email, course }) => [email, course]),
    [[buyer.email, DEMO]],
  )
})

test('an LMS that refuses everything opens the circuit breaker, and no sale loses an attempt', async (t) => {
  const { product, clock } = await start(t)
  assert.equal((await product.sell({ email: 'before@example.com' })).status, 200)
  await product.lms.faults([{ status: 403 }])
  const buyers = manyOf(20, (i) => `new${i}@example.com`)
  assert.deepEqual(new Set(await sellAll(product, buyers)), new Set([500]))
  assert.equal(opened(product).length, 1)
  await product.lms.noFaults()
  clock.ahead += 60_000
  await until('the allowances', async () => ((await product.lms.state()).allowances.length === 21 ? true : undefined))
  const retries = product.log.filter(({ detail }) => /^attempt \d/.test(String(detail)))
  assert.deepEqual(retries, [])
})
