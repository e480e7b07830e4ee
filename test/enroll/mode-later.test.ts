import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enrollSingly } from '../../src/enroll/enroll-singly.ts'
import { checkNow } from '../../src/enroll/follow-up/check-now.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { DEMO, exchange, type Product, startProduct } from '../harness.ts'
import { until } from '../service/process.ts'
import { lmsAt } from './lms-at.ts'
import { addVerified, startSingly } from './singly.ts'
import { operationsOn } from './withdraw/withdrawing.ts'

const HONOR = 'course-v1:Lernito+Honor+2026' // honor and verified
const PYTHON = 'course-v1:Lernito+PY101+2026' // audit
const ENROLL = '/api/enrollment/v1/enrollment'
const MODES = `${HONOR}=verified,${PYTHON}=verified`
const [ACTIVE, NEW] = ['erin@example.com', 'new@example.com']
const row = (email: string, course: string, mode: string, active: boolean) => ({ email, course, mode, active })
const acquire = () => unlimitedBudget().acquire(new AbortController().signal)
const rowsIn = async ({ lms }: Product, course: string) =>
  (await lms.state()).enrollments.filter((one) => one.course === course)

test('a course that lacks the mode is told of, also if another course of the sale is enrolled by a later attempt only', async (t) => {
  const clock = { ahead: 0 }
  const now = () => Date.now() + clock.ahead
  const product = await startProduct({ lms: { bulk: false, modify: false }, env: { LERNITO_COURSE_MODE: MODES }, now })
  t.after(() => product.stop())
  await product.lms.faults([{ method: 'POST', path: ENROLL, naming: DEMO, status: 500, times: 1 }])
  assert.equal((await product.sell({ email: ACTIVE, courseIds: [PYTHON, DEMO] })).status, 400)
  const { event, detail } = await until('the second attempt', async () => {
    clock.ahead += 1_000
    return product.log.find((line) => line.event === 'enrolled' || line.event === 'needs_attention')
  })
  assert.equal(event, 'needs_attention', String(detail))
  assert.deepEqual(await rowsIn(product, DEMO), [row(ACTIVE, DEMO, 'audit', true)])
})

test('a sale that was checked while the mode was still to be given, and comes again, gives it', async (t) => {
  const product = await startProduct({ env: { LERNITO_COURSE_MODE: MODES } })
  const { context, close } = operationsOn(`sqlite:${product.folder}/lernito.db`)
  const checking = lmsAt(product.lmsUrl)
  t.after(async () => {
    await checking.close()
    await close()
    await product.stop()
  })
  const { lms, sell } = product
  const sale = { email: NEW, courseIds: [HONOR] }
  const id = String((await sell(sale)).headers['x-lernito-delivery'])
  await lms.people({ email: NEW, username: 'new', active: false })
  await lms.activate(NEW)
  await checkNow({ context, lms: checking, acquire, ids: [id], by: 'ada', modeOf: () => 'verified' })
  assert.equal((await sell(sale)).status, 200)
  assert.deepEqual(await rowsIn(product, HONOR), [row(NEW, HONOR, 'verified', true)])
})

test('a sale whose buyer activated, and that then found the mode missing, gives it when it is attempted again', async (t) => {
  const product = await startProduct({ env: { LERNITO_COURSE_MODE: MODES } })
  t.after(() => product.stop())
  const { lms, sell } = product
  const sale = { email: NEW, courseIds: [PYTHON] }
  assert.equal((await sell(sale)).status, 200)
  await lms.people({ email: NEW, username: 'new', active: false })
  await lms.activate(NEW)
  assert.equal((await sell(sale)).status, 400)
  await addVerified(lms, { course: PYTHON, email: NEW, username: 'new' })
  assert.equal((await sell(sale)).status, 200)
  assert.deepEqual(await rowsIn(product, PYTHON), [row(NEW, PYTHON, 'verified', true)])
})

test('a buyer who activates gets the mode of the setting soon after the next round of the follow-up, as a claim', async (t) => {
  const product = await startProduct({ followUpMs: 200, env: { LERNITO_COURSE_MODE: MODES } })
  t.after(() => product.stop())
  const { lms, sell, log } = product
  assert.equal((await sell({ email: NEW, courseIds: [HONOR, DEMO] })).status, 200)
  await lms.people({ email: NEW, username: 'new', active: false })
  await lms.activate(NEW)
  await until('the claim', async () => log.find(({ event }) => event === 'claimed'))
  assert.deepEqual(await rowsIn(product, HONOR), [row(NEW, HONOR, 'verified', true)])
  const happened = log.flatMap(({ event, detail }) => (typeof event === 'string' ? [`${event}: ${detail}`] : []))
  assert.deepEqual(happened.slice(-3), [
    `standing_changed: ${HONOR}: enrolled (honor); ${DEMO}: enrolled (audit)`,
    `repair_started: another course mode in ${HONOR}`,
    `claimed: enrolled in ${DEMO}; enrolled in ${HONOR}`,
  ])
  const { text } = await exchange({ url: `${product.url}/metrics`, method: 'GET' })
  assert.match(text, /^lernito_claim_seconds_count 1$/m)
})

test('a buyer who activates is told of and stays enrolled where the course lacks the mode of the setting', async (t) => {
  const product = await startProduct({ followUpMs: 200, env: { LERNITO_COURSE_MODE: MODES } })
  t.after(() => product.stop())
  const { lms, sell, log } = product
  assert.equal((await sell({ email: NEW, courseIds: [PYTHON] })).status, 200)
  await lms.people({ email: NEW, username: 'new', active: false })
  await lms.activate(NEW)
  const { detail } = await until('the result', async () => log.find(({ event }) => event === 'needs_attention'))
  assert.match(String(detail), /does not have the course mode/)
  assert.deepEqual(await rowsIn(product, PYTHON), [row(NEW, PYTHON, 'audit', true)])
})

test('the mode goes to the account that used the allowance, and not to whoever has its address by now', async (t) => {
  const clock = { ahead: 0 }
  const now = () => Date.now() + clock.ahead
  const product = await startProduct({ followUpMs: 200, env: { LERNITO_COURSE_MODE: MODES }, now })
  t.after(() => product.stop())
  const { lms, sell, log } = product
  assert.equal((await sell({ email: NEW, courseIds: [HONOR] })).status, 200)
  await lms.faults([{ method: 'POST', path: ENROLL, status: 500, times: 1 }])
  await lms.people({ email: NEW, username: 'new', active: false })
  await lms.activate(NEW)
  await until('the first attempt', async () => log.find(({ event }) => event === 'retry_scheduled'))
  await lms.address({ formerly: NEW, email: 'moved@example.com' })
  await lms.people({ email: NEW, username: 'second', active: true })
  await lms.seed({ enrollments: [row(NEW, HONOR, 'honor', true)] })
  await until('the claim', async () => {
    clock.ahead += 1_000
    return log.find(({ event }) => event === 'claimed')
  })
  assert.deepEqual(
    new Set((await rowsIn(product, HONOR)).map(({ email, mode }) => `${email} ${mode}`)),
    new Set([`${NEW} honor`, 'moved@example.com verified']),
  )
})

test('a mode that the LMS refused to the follow-up is given when the sale is attempted again', async (t) => {
  const product = await startProduct({ followUpMs: 200, env: { LERNITO_COURSE_MODE: MODES } })
  t.after(() => product.stop())
  const { lms, sell, log } = product
  const sale = { email: NEW, courseIds: [HONOR] }
  assert.equal((await sell(sale)).status, 200)
  await lms.faults([{ naming: 'verified', path: ENROLL, method: 'POST', status: 400, body: { message: 'no' } }])
  await lms.people({ email: NEW, username: 'new', active: false })
  await lms.activate(NEW)
  await until('the follow-up', async () => log.some(({ event }) => event === 'needs_attention') || undefined)
  await lms.noFaults()
  assert.equal((await sell(sale)).status, 200)
  assert.deepEqual(await rowsIn(product, HONOR), [row(NEW, HONOR, 'verified', true)])
})

test('a buyer who activated and left the address gets the mode when the sale is attempted again', async (t) => {
  const product = await startProduct({ env: { LERNITO_COURSE_MODE: MODES } })
  t.after(() => product.stop())
  const { lms, sell } = product
  const sale = { email: NEW, courseIds: [HONOR] }
  assert.equal((await sell(sale)).status, 200)
  await lms.people({ email: NEW, username: 'new', active: false })
  await lms.activate(NEW)
  await lms.address({ formerly: NEW, email: 'moved@example.com' })
  assert.equal((await sell(sale)).status, 200)
  assert.deepEqual(await rowsIn(product, HONOR), [row('moved@example.com', HONOR, 'verified', true)])
})

test('who is unenrolled after the sale has read the enrollment, and before it changes the mode, stays unenrolled', async (t) => {
  const { lms, seed, enrollmentsOf } = await startSingly(t)
  await seed({ enrollments: [row(ACTIVE, HONOR, 'honor', true)] })
  let calls = 0
  const unenrolling = async () => {
    if (++calls === 2) await seed({ enrollments: [row(ACTIVE, HONOR, 'honor', false)] })
    return acquire()
  }
  const known = { stored: null, named: false, mayLand: async () => false, claimed: false, wasDone: false }
  const buyer = { lms, email: ACTIVE, course: HONOR, ...known, mode: 'verified' }
  const result = await enrollSingly({ ...buyer, acquire: unenrolling, prior: 'effect_unknown' })
  assert.deepEqual(result, { kind: 'reason', reason: { code: 'person.unenrolled', subject: HONOR } })
  assert.deepEqual(
    (await enrollmentsOf(ACTIVE)).map(({ active }) => active),
    [false],
  )
})
