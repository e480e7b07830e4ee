import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { reasonColumns } from '../../src/queue/rows.ts'
import { FAILING } from '../enroll/withdraw/held-calls.ts'
import { refund as postRefund } from '../enroll/withdraw/refunding.ts'
import { operationsOn } from '../enroll/withdraw/withdrawing.ts'
import { type Buyer, DEMO } from '../harness.ts'
import { setFacts, withFactsOf } from '../lines.ts'
import { until } from '../service/process.ts'
import { UNENROLL } from '../service/serving.ts'
import { linksOf, operator, readable, startWithConsole } from './harness.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const MISSING = 'course-v1:No+Such+Course'
const product = await startWithConsole({
  env: {
    LERNITO_REFUNDS: 'on',
    LERNITO_ANSWER_WITHIN_MS: '2000',
    LERNITO_EVENTS_URL: 'http://127.0.0.1:1/',
    LERNITO_EVENTS_SECRET: `whsec_${Buffer.from('lernito-events-test-secret-000001').toString('base64')}`,
  },
})
const { lms } = product
const { context, operations, close } = operationsOn(`sqlite:${product.folder}/lernito.db`)
const { db } = context.database
after(async () => {
  await close()
  await product.stop()
})
const someone = await operator(product)
const refund = (buyer: Buyer & { id?: string; sale?: unknown }) => postRefund({ url: product.url, ...buyer })
const sold = (email: string, courseIds = [DEMO]): Promise<string> => product.idOf(email, courseIds, 'Ann')
const page = (id: string): Promise<string> => someone.read(`/deliveries/${id}`)
const list = (email: string): Promise<string> => someone.read(`/deliveries?q=${email}`)
const show = async (id: string) => {
  const shown = await operations.show(id)
  assert.ok(shown)
  return withFactsOf(shown)
}
const settled = (id: string) =>
  until(`${id} settled`, async () => {
    const one = await show(id)
    return one.state === 'queued' ? undefined : one
  })
const noOrders = () =>
  until('no open order', async () =>
    (await db.selectFrom('delivery_lines').select('delivery_id').where('withdrawal_state', '=', 'open').execute())
      .length === 0
      ? true
      : undefined,
  )
const activeOf = async (email: string): Promise<string[]> =>
  (await lms.state()).enrollments
    .filter((one) => one.email === email && one.active)
    .map(({ course }) => course)
    .sort()
const eventsOf = async (id: string) => {
  const rows = await db.selectFrom('outbox').selectAll().where('about', '=', id).orderBy('seq').execute()
  return rows.map(({ body }) => {
    const { type, data } = JSON.parse(body)
    return {
      type,
      state: data.state,
      courses: data.courses.map((c: { id: string }) => c.id),
      ended: data.ended,
      reason: data.reason?.code ?? null,
    }
  })
}
const person = (email: string) => lms.people({ email, username: email.replace(/@.*/, ''), active: true })
const modeOf = (email: string, course: string, mode: string, active = true) =>
  lms.seed({ enrollments: [{ email, course, mode, active }] })
const checkOf = (id: string) => someone.send(`/deliveries/${id}/check`)
const withdrawn = async (id: string, courses: string[] | null): Promise<void> => {
  await operations.withdraw({ id, courses, paid: false, by: 'alice' })
  await noOrders()
}
/** Sells DEMO and PYTHON, and leaves the sale as an attempt does that was refused for PYTHON: see Outcome. */
async function doneInPart(email: string): Promise<string> {
  const id = await sold(email, [DEMO, PYTHON])
  await setFacts(db, id, { courses: { [DEMO]: 'enrolled' } })
  await db
    .updateTable('deliveries')
    .set({
      state: 'needs_attention',
      ...reasonColumns({ code: 'lms.refused', subject: 'full', course: PYTHON }),
      done_at: null,
    })
    .where('id', '=', id)
    .execute()
  return id
}

test('a refund of a part of a queued bundle: nobody tells the buyer that the other course is gone', async () => {
  const email = 'a1@example.com'
  await person(email)
  await lms.faults(FAILING)
  const id = await sold(email, [DEMO, PYTHON])
  await refund({ email, courseIds: [DEMO], sale: id })
  await lms.noFaults()
  await db.updateTable('delivery_lines').set({ withdrawal_at: 0 }).where('withdrawal_state', '=', 'open').execute()
  await noOrders()
  const { text: table } = await someone.see(`/deliveries/${id}`)
  assert.deepEqual(
    [...table.matchAll(/<span class="word">([^<]*)/g)].map(([, word]) => word),
    ['withdrawn', 'not yet'],
  )
  await operations.replay({ ids: [id], by: 'x' })
  await settled(id)
  assert.deepEqual(await activeOf(email), [PYTHON])
  const text = await page(id)
  assert.doesNotMatch(text, /Taken out of every course/)
  assert.doesNotMatch(text, /no longer have access to [^.]*PY101/)
})

test('a refunded sale whose course another sale keeps: the buyer still has it', async () => {
  const email = 'a2@example.com'
  await person(email)
  const one = await sold(email, [DEMO])
  const two = await sold(email, [DEMO, PYTHON])
  const first = await refund({ email, courseIds: [DEMO], sale: one, id: 'a2-1' })
  assert.match(JSON.stringify(first.json), new RegExp(`"kept":.*${two}`))
  assert.deepEqual((await activeOf(email)).includes(DEMO), true)
  for (const text of [await page(one), await list(email)]) {
    assert.doesNotMatch(text, /Taken out of every course/)
    assert.doesNotMatch(text, /no longer have access/)
  }
  await refund({ email, courseIds: [DEMO, PYTHON], sale: two, id: 'a2-2' })
  assert.deepEqual(await activeOf(email), [])
  const again = await refund({ email, courseIds: [DEMO], sale: one, id: 'a2-1' })
  assert.doesNotMatch(JSON.stringify(again.json), /kept/, 'nothing is kept any more')
})

test('a withdrawal that left the course as it is makes the box red until the sale is handled', async () => {
  const email = 'boxed@example.com'
  await person(email)
  const id = await sold(email)
  const boxOf = async () => /class="note box (\w*)"/.exec((await someone.see(`/deliveries/${id}`)).text)?.[1]
  assert.equal(await boxOf(), 'good')
  await modeOf(email, DEMO, 'verified')
  await withdrawn(id, null)
  assert.match(await page(id), /A withdrawal left .* as it is/)
  assert.equal(await boxOf(), 'bad')
  await operations.markHandled({ id, as: 'paid_back', note: 'refunded by hand', by: 'alice' })
  assert.equal(await boxOf(), '')
})

test('a refunded course of a bundle that another sale keeps: the page of the bundle says which', async () => {
  const email = 'a14@example.com'
  await person(email)
  const one = await sold(email, [DEMO])
  const two = await sold(email, [DEMO, PYTHON])
  await refund({ email, courseIds: [DEMO], sale: two })
  const text = await page(two)
  assert.match(text, new RegExp(`was withdrawn by a refund of the shop at [^.]* and left to delivery ${one}\\.`))
  assert.match(text, new RegExp(`left as it is: delivery ${one} keeps it`))
  assert.doesNotMatch(text, /there was nothing to withdraw/)
})

test('an operator withdraws one of two sales: the page names what the other one loses, which says so itself afterwards', async () => {
  const email = 'a9@example.com'
  await person(email)
  const one = await sold(email, [DEMO])
  const two = await sold(email, [DEMO, PYTHON])
  const form = await someone.see(`/deliveries/${one}/withdraw`)
  assert.match(
    readable(form),
    /Other sales of these courses to this address are withdrawn too: (\S+Demo_Course|Demonstration Course) · bought \d/,
  )
  assert.ok(linksOf(form).some((link) => link.endsWith(`/deliveries/${two}`)))
  await withdrawn(one, null)
  assert.deepEqual(await activeOf(email), [PYTHON])
  assert.match(await page(two), /In 1 of 2 courses\. .*was withdrawn by alice at/)
  assert.deepEqual((await eventsOf(two)).at(-1)?.courses, [PYTHON])
})

test('an operator takes the buyer out of the done course of a bundle that needs attention: the other one still does', async () => {
  const email = 'a3@example.com'
  await person(email)
  const id = await doneInPart(email)
  await withdrawn(id, [DEMO])
  const now = await show(id)
  assert.deepEqual([now.state, now.outcome?.reason?.code], ['needs_attention', 'lms.refused'])
  assert.equal((await eventsOf(id)).at(-1)?.state, 'needs_attention')
})

test('an operator’s withdrawal that takes out one course and leaves a paid one: the shop learns of the first', async () => {
  const email = 'a4@example.com'
  await person(email)
  const id = await sold(email, [DEMO, PYTHON])
  await modeOf(email, DEMO, 'verified')
  await withdrawn(id, null)
  assert.deepEqual(await activeOf(email), [DEMO])
  const last = (await eventsOf(id)).at(-1)
  assert.deepEqual([last?.type, last?.courses], ['delivery.withdrawn', [DEMO]])
})

test('a withdrawal that left a course is told until somebody takes care of that course', async () => {
  const email = 'a5@example.com'
  await person(email)
  const id = await sold(email, [DEMO, PYTHON])
  await modeOf(email, DEMO, 'verified')
  await withdrawn(id, [DEMO])
  const failed = async () => (await operations.overview()).failedWithdrawals.filter((one) => one.deliveryId === id)
  assert.equal((await failed()).length, 1)
  await withdrawn(id, [PYTHON])
  assert.match(await page(id), /A withdrawal left \S+Demo_Course as it is/)
  assert.equal((await failed()).length, 1)
})

test('a withdrawn course that the shop sold again is not withdrawn', async () => {
  const email = 'a6@example.com'
  await person(email)
  const id = await sold(email, [DEMO, PYTHON])
  await withdrawn(id, [DEMO])
  await sold(email, [DEMO, PYTHON])
  assert.equal((await show(id)).state, 'enrolled')
  await modeOf(email, DEMO, 'audit', false)
  await lms.faults(FAILING)
  await operations.replay({ ids: [id], by: 'x' })
  await until('an attempt', async () => ((await show(id)).attempts > 0 ? true : undefined))
  const row = await list(email)
  await lms.noFaults()
  assert.doesNotMatch(row, /Demo_Course withdrawn/)
  assert.match(row, /Demo_Course not yet/)
  assert.doesNotMatch(await page(id), /was withdrawn by/)
})

test('an order that left a paid course is over once the sale came again', async () => {
  const email = 'a7@example.com'
  await person(email)
  const id = await sold(email)
  await modeOf(email, DEMO, 'verified')
  await withdrawn(id, [DEMO])
  await sold(email)
  assert.doesNotMatch(await page(id), /A withdrawal left/)
})

test('an allowance that staff deleted doesn’t wait for the buyer’s account', async () => {
  const email = 'a8@example.com'
  const id = await sold(email)
  const { allowances } = await lms.state()
  await lms.seed({
    allowances: allowances.filter((one) => one.email === email).map((one) => ({ ...one, auto_enroll: false })),
  })
  await checkOf(id)
  assert.equal((await show(id)).standings[DEMO]?.standing, 'missing')
  const text = await page(id)
  assert.doesNotMatch(text, /takes effect when the buyer registers/)
  assert.doesNotMatch(text, /purchase of \./)
})

test('the form of a correction names no course that was refunded, so it is not sold again by leaving it there', async () => {
  const id = await sold('carl@example.com', [DEMO, PYTHON])
  await settled(id)
  assert.equal((await refund({ email: 'carl@example.com', courseIds: [DEMO] })).status, 200)
  const form = await someone.read(`/deliveries/${id}/correct`)
  assert.match(form, /one in each line course-v1:Lernito\+PY101\+2026 Preview/)
  const unchanged = await operations.previewCorrection({ id, courseIds: [PYTHON] })
  assert.equal(unchanged.kind, 'unchanged')
})

test('before a replay that gives a refunded course back, the page says which; one that leaves it says nothing of it', async () => {
  const says = async (id: string): Promise<string> => {
    const text = await page(id)
    const [, said = ''] =
      /A replay also undoes the withdrawal from (.*?): the service attempts .* Replay anyway/.exec(text) ?? []
    assert.equal(/ Replay (?!anyway)/.test(text), said === '', 'without it, one click is enough')
    return said
  }
  const replay = async (id: string): Promise<void> => {
    assert.equal((await someone.send(`/deliveries/${id}/replay`)).status, 303)
    await settled(id)
  }
  await person('a17@example.com')
  const bundle = await sold('a17@example.com', [DEMO, PYTHON])
  await settled(bundle)
  assert.equal(await says(bundle), '')
  await refund({ email: 'a17@example.com', courseIds: [DEMO], sale: bundle })
  assert.match(await says(bundle), /^(\S+Demo_Course|Demonstration Course)$/)
  await replay(bundle)
  assert.deepEqual(await activeOf('a17@example.com'), [DEMO, PYTHON].sort())
  assert.equal(await says(bundle), '')

  const email = 'a18@example.com'
  await person(email)
  const failed = await doneInPart(email)
  await withdrawn(failed, [DEMO])
  assert.equal(await says(failed), '')
  await replay(failed)
  assert.deepEqual(await activeOf(email), [PYTHON])
})

test('before a replay from a page that is older than a withdrawal, the page says what the replay gives back', async () => {
  const email = 'a20@example.com'
  await person(email)
  const id = await sold(email, [DEMO, PYTHON])
  await settled(id)
  const seen = (await someone.see(`/deliveries/${id}`)).text.match(/name="last_event" value="(\d+)"/)?.[1] ?? ''
  await withdrawn(id, [DEMO])
  const answer = readable(await someone.send(`/deliveries/${id}/replay`, { last_event: seen }))
  assert.match(answer, /alice changed this delivery.* Withdrawal requested/)
  assert.match(
    answer,
    /A replay also undoes the withdrawal from (\S+Demo_Course|Demonstration Course): .* Replay anyway/,
  )
})

test('a correction to a sale that is done already starts nothing, and its page says what it has', async () => {
  const email = 'a9@example.com'
  await person(email)
  await sold(email, [DEMO])
  const wrong = await sold(email, [MISSING])
  await lms.faults(FAILING)
  await modeOf(email, DEMO, 'audit', false)
  const seen = (await someone.see(`/deliveries/${wrong}`)).text.match(/name="last_event" value="(\d+)"/)?.[1] ?? ''
  const answer = await someone.send(`/deliveries/${wrong}/correct`, {
    step: 'correct',
    email,
    courses: DEMO,
    last_event: seen,
  })
  const text = await someone.read(answer.location)
  await lms.noFaults()
  assert.match(text, /This is the corrected sale\. .* Enrolled In the course\./)
  assert.doesNotMatch(text, /Queued/)
})

test('after a repeat, the list tells the first success, as the buyer saw it', async () => {
  const email = 'a10@example.com'
  await person(email)
  const id = await sold(email)
  await db
    .updateTable('deliveries')
    .set((eb) => ({
      received_at: eb('received_at', '-', 7_200_000),
      done_at: eb('done_at', '-', 7_200_000),
      settled_at: eb('settled_at', '-', 7_200_000),
    }))
    .where('id', '=', id)
    .execute()
  await sold(email)
  assert.doesNotMatch(await list(email), /after 2 h/)
})

test('of a buyer who waited for an account, the list tells when they were in the course, also after a repeat', async () => {
  const email = 'waited@example.com'
  const id = await sold(email)
  await sold(email)
  await db
    .updateTable('deliveries')
    .set((eb) => ({
      received_at: eb('received_at', '-', 7_200_000),
      done_at: eb('done_at', '-', 7_200_000),
      settled_at: eb('settled_at', '-', 7_200_000),
    }))
    .where('id', '=', id)
    .execute()
  await lms.people({ email, username: 'waited', active: false })
  await lms.activate(email)
  await checkOf(id)
  assert.match(await list(email), /Enrolled .*after 2 h/)
})

test('access to a course ended, which the delivery then lost by a refund: no event says that access ended', async () => {
  const email = 'a11@example.com'
  await person(email)
  const bundle = await sold(email, [DEMO, PYTHON])
  await modeOf(email, DEMO, 'audit', false)
  await checkOf(bundle)
  await sold(email, [DEMO])
  await refund({ email, courseIds: [DEMO], sale: bundle })
  await someone.send(`/deliveries/${bundle}/send-again`)
  const last = (await eventsOf(bundle)).at(-1)
  assert.deepEqual([last?.type, last?.ended], ['delivery.enrolled', []])
  assert.ok(!(await someone.read('/deliveries?ended=only')).includes(email))
})

test('a buyer whose account has another address is not told to sign in with the old one', async () => {
  const email = 'a12@example.com'
  await person(email)
  const id = await sold(email)
  await lms.address({ formerly: email, email: 'a12-new@example.com' })
  await checkOf(id)
  assert.doesNotMatch(await page(id), /Sign in at \S+ as a12@example\.com/)
})

test('the answer to a refund that a newer sale has overtaken says that the sale keeps the course', async () => {
  const email = 'a13@example.com'
  await person(email)
  const id = await sold(email)
  await lms.faults(FAILING)
  const first = await refund({ email, courseIds: [DEMO], sale: id, id: 'a13-1' })
  await sold(email) // without an id: a new sale of the same
  await lms.noFaults()
  await db.updateTable('delivery_lines').set({ withdrawal_at: 0 }).where('withdrawal_state', '=', 'open').execute()
  await db.updateTable('deliveries').set({ due_at: 0 }).where('id', '=', id).where('state', '=', 'queued').execute()
  await until('enrolled', async () => ((await show(id)).state === 'enrolled' ? true : undefined))
  await db.updateTable('delivery_lines').set({ withdrawal_at: 0 }).where('withdrawal_state', '=', 'open').execute()
  await noOrders()
  await settled(id)
  const again = await refund({ email, courseIds: [DEMO], sale: id, id: 'a13-1' })
  assert.deepEqual(await activeOf(email), [DEMO])
  assert.match(JSON.stringify([first.status, again.status, again.json]), new RegExp(`^.202,200,.*"kept":.*${id}`))
})

test('the notice of a withdrawal says what came of the withdrawal, also in place of a refund that had failed', async (t) => {
  const email = 'a14@example.com'
  await person(email)
  const id = await sold(email)
  t.after(() => lms.noFaults())
  await lms.faults([{ method: 'POST', path: UNENROLL, status: 400, body: { message: 'no' } }])
  await refund({ email, courseIds: [DEMO], sale: id })
  await noOrders()
  const sent = await someone.send(`/deliveries/${id}/withdraw`, { course: DEMO, paid: 'yes' })
  await noOrders()
  assert.match(
    await someone.read(sent.location),
    /Ordered at [\d:]+ UTC ?: failed again, for the same reason\. Dismiss/,
  )
})

test('a refund leaves what the buyer had before, the page says so, and an operator takes it by a choice that says so', async () => {
  const email = 'a14b@example.com'
  await person(email)
  await modeOf(email, DEMO, 'audit')
  const id = await sold(email)
  await refund({ email, courseIds: [DEMO], sale: id })
  await noOrders()
  assert.match(
    await page(id),
    /was withdrawn by a refund of the shop .*: the buyer had it before the sale, and keeps it\./,
  )
  const form = await someone.see(`/deliveries/${id}/withdraw`)
  assert.match(
    readable(form),
    /The buyer had it before this sale, .* Also take away what the buyer had before the sale/,
  )
  assert.doesNotMatch(form.text, /name="had_before"[^>]* checked/)
  await someone.send(`/deliveries/${id}/withdraw`, { course: DEMO })
  await noOrders()
  assert.deepEqual(await activeOf(email), [DEMO])
  await someone.send(`/deliveries/${id}/withdraw`, { course: DEMO, had_before: 'yes' })
  await noOrders()
  assert.deepEqual(await activeOf(email), [])
  assert.match(await page(id), /Withdrawal requested by admin .* what was there before the sale too/)
  assert.match(await page(id), /Includes what the buyer had before the sale\./)
})

test('a look after a refund that finds the buyer in the course again says so on the page, and changes no state', async () => {
  const email = 'a14c@example.com'
  await person(email)
  const id = await sold(email)
  await refund({ email, courseIds: [DEMO], sale: id })
  await noOrders()
  assert.doesNotMatch(await page(id), /The buyer is in .* again/)
  await modeOf(email, DEMO, 'audit')
  await checkOf(id)
  assert.match(
    await page(id),
    /Taken out of every course by a refund of the shop at [^.]*\. The buyer is in .* again\./,
  )
  assert.equal((await show(id)).state, 'withdrawn')
})

test('the notice of a withdrawal from one course of a queued bundle is not that the other one was enrolled', async (t) => {
  const email = 'a15@example.com'
  await person(email)
  t.after(() => lms.noFaults())
  await lms.faults(FAILING)
  const id = await sold(email, [DEMO, PYTHON])
  const sent = await someone.send(`/deliveries/${id}/withdraw`, { course: DEMO })
  await lms.noFaults()
  await db.updateTable('delivery_lines').set({ withdrawal_at: 0 }).where('withdrawal_state', '=', 'open').execute()
  await noOrders()
  await operations.replay({ ids: [id], by: 'x' })
  assert.equal((await settled(id)).state, 'enrolled')
  assert.match(await someone.read(sent.location), /Ordered at [\d:]+ UTC ?: withdrawn\. Dismiss/)
})

test('the notice of a replay that ends a withdrawal does not say that the replay failed', async (t) => {
  const email = 'a19@example.com'
  await person(email)
  t.after(() => lms.noFaults())
  const id = await sold(email)
  await lms.faults(FAILING)
  await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  const sent = await someone.send(`/deliveries/${id}/replay`)
  assert.doesNotMatch(await someone.read(sent.location), /failed\. Dismiss/)
  await lms.noFaults()
  await operations.replay({ ids: [id], by: 'x' }) // now, and not after a wait
  assert.equal((await settled(id)).state, 'enrolled')
  assert.match(await someone.read(sent.location), /Replayed at [\d:]+ UTC ?: enrolled\. Dismiss/)
})

/** A page has the name of a course as soon as the catalogue has been read. */
const LEFT = /A withdrawal left (\S+Demo_Course|Demonstration Course) as it is: enrolled in the paid mode/

test('a sale with a withdrawal that failed says so in the list and on the page of the person, also if the buyer is in every course', async () => {
  const email = 'a16@example.com'
  await person(email)
  const id = await sold(email)
  await modeOf(email, DEMO, 'verified')
  await withdrawn(id, [DEMO])
  for (const path of [`/deliveries?q=${email}`, `/people/${id}`]) assert.match(await someone.read(path), LEFT, path)
})

test('while a refund of a sale is open, its page of corrections has no form and says why, and what to do', async () => {
  const email = 'open@example.com'
  await person(email)
  const id = await sold(email)
  const opened = await someone.see(`/deliveries/${id}/correct`)
  assert.match(readable(opened), /Course keys/)
  await lms.faults(FAILING)
  assert.equal((await refund({ email, id: 'open-1' })).status, 202)
  const form = await someone.see(`/deliveries/${id}/correct`)
  const sent = await someone.send(`/deliveries/${id}/correct`, { email, courses: PYTHON, step: 'correct' })
  for (const shown of [form, sent]) {
    assert.match(readable(shown), /A refund or a withdrawal of this sale is still open.* Wait until it has ended/)
    assert.doesNotMatch(shown.text, /name="courses"/)
    assert.ok(linksOf(shown).some((link) => link.endsWith(`/deliveries/${id}`)))
  }
  await lms.noFaults()
  await db.updateTable('delivery_lines').set({ withdrawal_at: 0 }).where('withdrawal_state', '=', 'open').execute()
  await noOrders()
  assert.match((await someone.see(`/deliveries/${id}/correct`)).text, /name="courses"/)
})
