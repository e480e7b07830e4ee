import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { type Buyer, DEMO, payload } from '../../harness.ts'
import { setFacts, withdrawalsIn } from '../../lines.ts'
import { until } from '../../service/process.ts'
import { BULK, holdCalls, UNENROLL } from '../../service/serving.ts'
import { refund as post, post as postTo, standard } from './refunding.ts'
import { ended, startWithOperations } from './withdrawing.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const ALICE = 'alice@example.com'
const hold = holdCalls()
const env = { LERNITO_REFUNDS: 'on', LERNITO_ANSWER_WITHIN_MS: '2500', LERNITO_LMS_CONCURRENCY: '4' }
const product = await startWithOperations({ lms: { sleep: hold.sleep }, env })
const { lms, sell, sold, stateOf, kinds, operations, show } = product
after(() => product.stopAll())
beforeEach(async () => {
  hold.release()
  await lms.noFaults()
  const { db } = product.context.database
  await until('quiet', async () => {
    const open = await db
      .selectFrom('delivery_lines')
      .select('delivery_id')
      .where('withdrawal_state', '=', 'open')
      .execute()
    return open.length === 0 || undefined
  })
  for (const table of ['deliveries', 'events', 'delivery_lines', 'webhook_ids'] as const) {
    await db.deleteFrom(table).execute()
  }
  await lms.reset()
  hold.renew()
})

/** No withdrawal is to be carried out any more. */
const noOrder = () =>
  until(
    'the end of all orders',
    async () => (await withdrawals()).every(({ endedAt }) => endedAt !== null) || undefined,
  )
const refund = (buyer: Buyer & { id?: string; sale?: unknown }) => post({ url: product.url, ...buyer })
const DONE = { success: true, message: 'Withdrawal verified for 1 course(s)' }
const ACCEPTED = { success: true, message: 'Withdrawal accepted for 1 course(s)' }
const activeIn = async (email: string): Promise<string[]> =>
  (await lms.state()).enrollments.filter((row) => row.email === email && row.active).map(({ course }) => course)
const events = () => product.context.database.db.selectFrom('events').selectAll().execute()
const withdrawals = () => withdrawalsIn(product.context.database.db)
const isEnrolledIn = (course: string) =>
  until('the enrollment', async () => (await activeIn(ALICE)).includes(course) || undefined)
const queued = async (): Promise<number> => {
  const { db } = product.context.database
  return (await db.selectFrom('deliveries').select('id').where('state', '=', 'queued').execute()).length
}
/** The next attempts of what waits are due now. */
async function bringForward(): Promise<void> {
  const { db } = product.context.database
  await db.updateTable('delivery_lines').set({ withdrawal_at: 0 }).where('withdrawal_state', '=', 'open').execute()
}

test('a refund takes the buyer out of the named course, and the timeline names the shop', async () => {
  const id = await sold(ALICE, [DEMO, PYTHON])
  const { status, json, headers } = await refund({
    email: ' Alice@Example.com ',
    courseIds: ['course-v1:edx+DEMOX+Demo_Course'],
  })
  assert.deepEqual([status, json, headers['x-lernito-delivery']], [200, DONE, id])
  assert.deepEqual(await activeIn(ALICE), [PYTHON])
  assert.deepEqual((await show(id)).outcome?.courses, { [PYTHON]: 'enrolled' })
  const requested = (await operations.timeline(id)).find(({ kind }) => kind === 'withdrawal_requested')
  assert.equal(requested?.detail, `refund from the shop: from ${DEMO}, paid course modes too`)
  assert.equal(requested?.actor, 'shop')
  assert.deepEqual((await operations.audit({})).items, [], 'the audit lists what operators did')
  const lines = product.log.filter(({ msg }) => msg === 'refund received')
  assert.deepEqual(lines.at(-1)?.deliveries, [id])
})

test('the log names the order of a refund of what was never sold, and no whole address', async () => {
  await refund({ email: 'nobody@example.com', id: 'refund_7' })
  const line = product.log.findLast(({ msg }) => msg === 'refund received')
  const { result, webhookId, unsold, to } = line ?? {}
  assert.deepEqual([result, webhookId, unsold, to], ['never_sold', 'refund_7', [DEMO], 'n***@example.com'])
  assert.doesNotMatch(JSON.stringify(line), /nobody@/)
})

test('a buyer without an account loses the allowance', async () => {
  await sold('new@example.com')
  assert.equal((await refund({ email: 'new@example.com' })).status, 200)
  assert.deepEqual((await lms.state()).allowances, [])
})

test('a sale that an operator has handled before it had an effect keeps its courses until the shop refunds it', async () => {
  await lms.faults([BULK, UNENROLL].map((path) => ({ path, method: 'POST', status: 500, body: 'no' })))
  const id = await sold(ALICE)
  assert.equal(await stateOf(id), 'queued')
  await operations.markHandled({ id, as: 'settled', note: 'by hand', by: 'alice' })
  await lms.noFaults()
  // As if it had waited for an LMS that was down
  await product.context.database.db.updateTable('deliveries').set({ may_have_effect: 0 }).execute()
  const other = String((await sell({ email: ALICE, name: 'Other' })).headers['x-lernito-delivery'])
  await isEnrolledIn(DEMO)
  const first = await refund({ email: ALICE, name: 'Other', sale: other })
  assert.deepEqual(first.json, { ...DONE, kept: [{ course: DEMO, reason: 'sale', delivery: id }] })
  const { status, json } = await refund({ email: ALICE })
  await noOrder()
  assert.deepEqual([status, json, await activeIn(ALICE), await stateOf(id)], [200, DONE, [], 'withdrawn'])
})

test('a refund is the shop’s word, so it takes paid course modes away too', async () => {
  const id = await sold(ALICE)
  await lms.seed({ enrollments: [{ email: ALICE, course: DEMO, mode: 'verified', active: true }] })
  assert.equal((await refund({ email: ALICE })).status, 200)
  assert.deepEqual([await activeIn(ALICE), await stateOf(id)], [[], 'withdrawn'])
})

test('two deliveries of the same person and course are both withdrawn', async () => {
  const [first, second] = [await sold(ALICE), await sold(ALICE, [PYTHON, DEMO])]
  assert.equal((await refund({ email: ALICE, name: 'Other' })).status, 200)
  assert.deepEqual(
    [await stateOf(first), (await show(second)).outcome?.courses],
    ['withdrawn', { [PYTHON]: 'enrolled' }],
  )
  assert.deepEqual(await activeIn(ALICE), [PYTHON])
})

describe('a course that was sold alone and in a bundle', () => {
  const BUNDLE = [DEMO, PYTHON]
  const kept = (delivery: string) => ({
    success: true,
    message: 'Withdrawal verified for 2 course(s)',
    kept: [{ course: DEMO, reason: 'sale', delivery }],
  })

  for (const how of ['the payload of the bundle', 'its delivery', 'its webhook-id'] as const) {
    test(`stays when the bundle is refunded by ${how}, and both deliveries say why`, async () => {
      const single = await sold(ALICE)
      const body = payload({ email: ALICE, courseIds: BUNDLE })
      const sale = await postTo({ url: product.url, path: 'webhook', body, headers: standard(body, 'order_2') })
      const bundle = String(sale.headers['x-lernito-delivery'])
      const named = {
        'the payload of the bundle': {},
        'its delivery': { sale: bundle },
        'its webhook-id': { sale: 'order_2' },
      }
      const { status, json } = await refund({ email: ALICE, courseIds: BUNDLE, ...named[how] })
      assert.deepEqual([status, json], [200, kept(single)])
      assert.deepEqual(
        [await activeIn(ALICE), await stateOf(single), await stateOf(bundle)],
        [[DEMO], 'enrolled', 'withdrawn'],
      )
      const told = async (id: string) => (await operations.timeline(id)).map(({ detail }) => detail).join()
      assert.ok((await told(bundle)).includes(`${DEMO}: delivery ${single} keeps it`))
      assert.ok((await told(single)).includes(`${DEMO}: delivery ${bundle} was refunded`))
      assert.equal((await operations.timeline(single)).filter(({ kind }) => kind === 'replayed').length, 0)
    })
  }

  test('is named once, also if the refund of two sales leaves it to a third one', async () => {
    await sold(ALICE)
    await sold(ALICE, BUNDLE)
    await lms.address({ formerly: ALICE, email: 'alice.new@example.com' })
    const third = await sold('alice.new@example.com')
    const { json } = await refund({ email: ALICE, name: 'Other' })
    assert.deepEqual(json, { ...DONE, kept: [{ course: DEMO, reason: 'sale', delivery: third }] })
  })

  test('goes when the other sale is refunded too', async () => {
    const [single, bundle] = [await sold(ALICE), await sold(ALICE, BUNDLE)]
    await refund({ email: ALICE, courseIds: BUNDLE })
    const { status, json } = await refund({ email: ALICE })
    assert.deepEqual([status, json, await activeIn(ALICE)], [200, DONE, []])
    assert.deepEqual([await stateOf(single), await stateOf(bundle)], ['withdrawn', 'withdrawn'])
  })

  test('stays when the other sale needs attention and never got it: it is paid, and not refunded', async () => {
    await sold(ALICE, BUNDLE)
    const wrong = await sold(ALICE, [DEMO, 'course-v1:Lernito+Gone+2026'])
    assert.deepEqual((await refund({ email: ALICE, courseIds: BUNDLE })).json, kept(wrong))
    assert.deepEqual([await activeIn(ALICE), await stateOf(wrong)], [[DEMO], 'needs_attention'])
    await refund({ email: ALICE, courseIds: [DEMO], sale: wrong })
    assert.deepEqual(await activeIn(ALICE), [], 'the last refund takes the buyer out')
  })

  test('stays when the access by the other sale was found to have ended before, because the buyer is in it now', async () => {
    const single = await sold(ALICE)
    await lms.seed({ enrollments: [{ email: ALICE, course: DEMO, mode: 'audit', active: false }] })
    const at = Date.now()
    const ended = { standing: 'unenrolled', mode: 'audit', checkedAt: at, since: at, endedAt: at } as const
    const { db } = product.context.database
    await setFacts(db, single, { standings: { [DEMO]: ended } })
    await db.updateTable('deliveries').set({ ended_at: at }).where('id', '=', single).execute()
    const bundle = await sold(ALICE, BUNDLE)
    assert.deepEqual((await activeIn(ALICE)).toSorted(), BUNDLE.toSorted())
    const { status, json } = await refund({ email: ALICE, courseIds: BUNDLE })
    assert.deepEqual([status, json], [200, kept(single)])
    assert.deepEqual(
      [await activeIn(ALICE), await stateOf(single), await stateOf(bundle)],
      [[DEMO], 'enrolled', 'withdrawn'],
    )
  })

  test('a refund that names a sale of somebody else, or none that is known, withdraws nothing', async () => {
    await sold(ALICE)
    const other = await sold('erin@example.com')
    for (const sale of [other, 'order_9']) {
      const { status, json } = await refund({ email: ALICE, sale })
      const message = `Nothing was withdrawn, because no sale ${sale} of ${DEMO} to this address is known. Send the address and the course keys of the sale, and in sale its webhook-id or X-Lernito-Delivery, or ask the operator`
      assert.deepEqual([status, json], [404, { success: false, message }])
    }
    const wrong = await refund({ email: ALICE, sale: [] })
    assert.deepEqual([wrong.status, wrong.json], [400, { success: false, message: { sale: ['Not a valid string.'] } }])
    assert.deepEqual(await activeIn(ALICE), [DEMO])
  })
})

test('a refund with the payload of a sale takes back that one, even if the shop has a field `sale` of its own', async () => {
  const [first, other] = [await sold(ALICE), await sold(ALICE, [PYTHON])]
  for (const [index, sale] of [other, 4711, { id: 4711 }, [], true, null, '', 's'.repeat(257)].entries()) {
    const body = JSON.stringify({ ...JSON.parse(payload({ email: ALICE, courseIds: [PYTHON] })), sale })
    const own = await postTo({ url: product.url, path: 'webhook', body, headers: standard(body, `order_${index}`) })
    const { status, json, headers } = await refund({ email: ALICE, courseIds: [PYTHON], sale })
    assert.deepEqual(
      [status, json, headers['x-lernito-delivery']],
      [
        200,
        { ...DONE, kept: [{ course: PYTHON, reason: 'sale', delivery: other }] },
        own.headers['x-lernito-delivery'],
      ],
    )
  }
  assert.deepEqual([await stateOf(first), await stateOf(other)], ['enrolled', 'enrolled'])
})

describe('a retry of a sale that comes after its refund', () => {
  const body = payload({ email: ALICE, courseIds: [DEMO, PYTHON] })
  const sale = (id: string) => postTo({ url: product.url, path: 'webhook', body, headers: standard(body, id) })
  const WITHDRAWN = { success: false, message: `Course ${DEMO} was withdrawn` }

  test('starts nothing under an id that the sale had, and its own timeline says why', async () => {
    const id = String((await sale('order_1')).headers['x-lernito-delivery'])
    await sale('order_1b')
    assert.equal((await refund({ email: ALICE, courseIds: [DEMO, PYTHON] })).status, 200)
    for (const retried of ['order_1', 'order_1b']) {
      const { status, json, headers } = await sale(retried)
      assert.deepEqual([status, json, headers['x-lernito-delivery']], [400, WITHDRAWN, id])
    }
    assert.deepEqual([await activeIn(ALICE), await stateOf(id)], [[], 'withdrawn'])
    assert.equal((await operations.timeline(id)).filter(({ detail }) => detail.startsWith('a late retry;')).length, 2)
  })

  test('starts no refunded course while the refund waits for the LMS, and when one of two courses was refunded', async () => {
    await sale('order_1')
    await lms.faults([{ path: UNENROLL, status: 502, times: 1 }])
    assert.equal((await refund({ email: ALICE })).status, 202)
    assert.deepEqual((await sale('order_1')).json, WITHDRAWN)
    await bringForward()
    await until('the refund', async () => (await activeIn(ALICE)).length === 1 || undefined)
    assert.deepEqual((await sale('order_1')).json, WITHDRAWN)
    assert.deepEqual(await activeIn(ALICE), [PYTHON])
  })

  test('is a new sale under a new id, and that id is known from then on', async () => {
    await sale('order_1')
    await refund({ email: ALICE, courseIds: [DEMO, PYTHON] })
    assert.equal((await sale('order_2')).status, 200)
    assert.deepEqual((await activeIn(ALICE)).sort(), [DEMO, PYTHON].sort())
    assert.equal((await sale('order_1')).status, 200, 'the sale stands again')
    await refund({ email: ALICE, courseIds: [DEMO, PYTHON], id: 'refund_2' })
    assert.deepEqual((await sale('order_2')).json, WITHDRAWN)
    assert.deepEqual(await activeIn(ALICE), [])
  })
})

test('a repeat of a refund gets the same answer and changes nothing', async () => {
  await sold(ALICE)
  for (const id of [undefined, 'msg_refund']) {
    const first = await refund({ email: ALICE, ...(id === undefined ? {} : { id }) })
    await until('the answers to be stored', async () => {
      const answered = (await events()).filter(({ kind }) => kind === 'received' || kind === 'withdrawal_requested')
      return answered.every(({ answer }) => answer !== null) || undefined
    })
    const before = [await events(), await withdrawals()]
    const second = await refund({ email: ALICE, ...(id === undefined ? {} : { id }) })
    assert.deepEqual([first.status, first.json], [200, DONE])
    assert.deepEqual([second.status, second.json], [200, DONE])
    assert.deepEqual([await events(), await withdrawals()], before)
  }
})

test('a refund of what an operator has withdrawn already is answered 200', async () => {
  const id = await sold(ALICE)
  await product.withdraw(id)
  assert.deepEqual([(await refund({ email: ALICE })).status, (await withdrawals()).length], [200, 1])
})

describe('a refund of what was never sold: 404 with what to do, and nothing is withdrawn', () => {
  const refused = (courses: string) => ({
    success: false,
    message: `Nothing was withdrawn, because no sale of ${courses} to this address is known. Send the address and the course keys of the sale, or ask the operator`,
  })

  test('an unknown person, and a course that was not sold', async () => {
    await sold(ALICE)
    const unknown = await refund({ email: 'bob@example.com' })
    assert.deepEqual([unknown.status, unknown.json], [404, refused(DEMO)])
    const partly = await refund({ email: ALICE, courseIds: [DEMO, PYTHON] })
    assert.deepEqual([partly.status, partly.json], [404, refused(PYTHON)])
    assert.deepEqual([await activeIn(ALICE), await withdrawals()], [[DEMO], []])
  })

  test('a sale that was rejected', async () => {
    await sell({ email: ALICE, courseIds: ['nonsense'] })
    assert.equal((await refund({ email: ALICE })).status, 404)
  })

  test('and the sale may come afterwards, with the refund under the same id again', async () => {
    assert.equal((await refund({ email: ALICE, id: 'msg_early' })).status, 404)
    await sold(ALICE)
    assert.equal((await refund({ email: ALICE, id: 'msg_early' })).status, 200)
    assert.deepEqual(await activeIn(ALICE), [])
  })
})

describe('what is still to be done goes on without what is refunded', () => {
  const FAILING = [
    { path: BULK, status: 500, body: 'no' },
    { path: UNENROLL, status: 500, body: 'no' },
  ]

  test('a queued sale with no other course is stopped, also while its call is in flight', async () => {
    await lms.faults([{ path: BULK, delayMs: 1, times: 1 }])
    const answered = sell({ email: ALICE })
    await hold.arrived()
    const refunded = await refund({ email: ALICE })
    assert.deepEqual([refunded.status, refunded.json], [202, ACCEPTED])
    hold.release()
    const id = String((await answered).headers['x-lernito-delivery'])
    await ended(product, id)
    assert.deepEqual([await stateOf(id), await activeIn(ALICE)], ['withdrawn', []])
    assert.equal((await refund({ email: ALICE })).status, 200)
  })

  for (const during of [true, false]) {
    test(`a sender that waits ${during ? 'during' : 'before'} the call is told which course the sale has lost`, async () => {
      await lms.faults([{ path: BULK, delayMs: 1, times: 1 }])
      if (!during) void sell({ email: ALICE, name: 'Another', courseIds: ['course-v1:Lernito+Honor+2026'] })
      const arrived = hold.arrived()
      if (!during) await arrived
      const answered = sell({ email: ALICE, courseIds: [DEMO, PYTHON] })
      await arrived
      await until('the sale', async () => (await queued()) === (during ? 1 : 2) || undefined)
      const refunded = refund({ email: ALICE })
      await until('the order', async () => (await withdrawals()).length > 0 || undefined)
      hold.release()
      const { status, json } = await answered
      await refunded
      assert.deepEqual([status, json], [400, { success: false, message: `Course ${DEMO} was withdrawn` }])
      await isEnrolledIn(PYTHON)
    })
  }

  test('a sender that waits while its whole sale is refunded is told so, and not that the service goes on', async () => {
    await lms.faults([{ path: BULK, delayMs: 1, times: 1 }])
    const arrived = hold.arrived()
    const answered = sell({ email: ALICE })
    await arrived
    const refunded = refund({ email: ALICE })
    await until('the order', async () => (await withdrawals()).length > 0 || undefined)
    hold.release()
    const { status, json } = await answered
    assert.deepEqual([status, json], [400, { success: false, message: `Course ${DEMO} was withdrawn` }])
    await refunded
  })

  test('so is a sender whose attempt has not begun, before the refund has ended', async () => {
    await lms.faults([{ path: BULK, delayMs: 1, times: 1 }])
    const arrived = hold.arrived()
    const other = sell({ email: ALICE, name: 'Another', courseIds: [PYTHON] })
    await arrived
    const answered = sell({ email: ALICE })
    await until('the sale', async () => (await queued()) === 2 || undefined)
    const refunded = refund({ email: ALICE, courseIds: [DEMO] })
    const { status, json } = await answered
    hold.release()
    assert.deepEqual([status, json], [400, { success: false, message: `Course ${DEMO} was withdrawn` }])
    await Promise.all([other, refunded])
  })

  test('the other courses of a queued sale are still enrolled', async () => {
    await lms.faults(FAILING)
    const id = await sold(ALICE, [DEMO, PYTHON])
    const other = await sold('erin@example.com')
    await refund({ email: ALICE })
    assert.equal(await stateOf(id), 'queued')
    await lms.noFaults()
    await operations.replay({ ids: [id, other], by: 'alice' })
    await bringForward()
    await isEnrolledIn(PYTHON)
    await ended(product, id)
    await until('the enrollment', async () => (await stateOf(id)) === 'enrolled' || undefined)
    assert.deepEqual([await activeIn(ALICE), (await show(id)).outcome?.courses], [[PYTHON], { [PYTHON]: 'enrolled' }])
  })

  test('also if its call is in flight: the refunded course is withdrawn', async () => {
    await lms.faults([{ path: BULK, delayMs: 1, times: 1 }])
    const answered = sell({ email: ALICE, courseIds: [DEMO, PYTHON] })
    await hold.arrived()
    await refund({ email: ALICE })
    hold.release()
    const id = String((await answered).headers['x-lernito-delivery'])
    await ended(product, id)
    await until('the rest', async () => (await stateOf(id)) === 'enrolled' || undefined)
    assert.deepEqual([await activeIn(ALICE), (await show(id)).outcome?.courses], [[PYTHON], { [PYTHON]: 'enrolled' }])
    assert.ok((await kinds(id)).includes('withdrawn'))
  })

  test('of a sale that needs attention, a missing course is refunded, and the other one is enrolled', async () => {
    const id = await sold(ALICE, ['course-v1:No+Such+Course', PYTHON])
    assert.equal(await stateOf(id), 'needs_attention')
    const missing = { email: ALICE, courseIds: ['course-v1:No+Such+Course'] }
    await refund(missing) // it may have to wait for the attempt that enrolls her in the other course
    await isEnrolledIn(PYTHON)
    await until('the enrollment', async () => (await stateOf(id)) === 'enrolled' || undefined)
    await ended(product, id)
    assert.equal((await refund(missing)).status, 200)
    assert.equal((await refund({ email: ALICE, courseIds: [PYTHON] })).status, 200)
    assert.deepEqual([await activeIn(ALICE), await stateOf(id)], [[], 'withdrawn'])
  })

  test('a second refund for the other course, while the first one waits, is not lost', async () => {
    const id = await sold(ALICE, [DEMO, PYTHON])
    await lms.faults([{ path: UNENROLL, status: 502, times: 1 }])
    await refund({ email: ALICE })
    await refund({ email: ALICE, courseIds: [PYTHON] })
    await bringForward()
    await until('both', async () => (await activeIn(ALICE)).length === 0 || undefined)
    await until('the end', async () => (await stateOf(id)) === 'withdrawn' || undefined)
  })
})

describe('a sale that comes after the refund enrolls again', () => {
  test('the same sale, after the refund is done', async () => {
    await sold(ALICE)
    await refund({ email: ALICE })
    await sold(ALICE)
    assert.deepEqual(await activeIn(ALICE), [DEMO])
  })

  for (const [how, name] of [
    ['the same sale', 'New'],
    ['another one', 'Newer'],
  ] as const) {
    test(`${how}, while the refund waits for the LMS`, async () => {
      await sold(ALICE)
      await lms.faults([{ path: UNENROLL, status: 502, times: 1 }])
      assert.equal((await refund({ email: ALICE })).status, 202)
      await sell({ email: ALICE, name })
      await bringForward()
      await noOrder()
      assert.deepEqual(await activeIn(ALICE), [DEMO])
    })

    test(`${how}, while the refund is in a call that unenrolls`, async () => {
      await sold(ALICE)
      await lms.faults([{ path: UNENROLL, delayMs: 1, times: 1 }])
      const refunded = refund({ email: ALICE })
      await hold.arrived()
      const selling = sell({ email: ALICE, name })
      await until('the sale', async () => (await queued()) > 0 || undefined)
      hold.release()
      const { status, json } = await refunded
      const again = await selling
      assert.equal(again.status, 200)
      const kept = [{ course: DEMO, reason: 'sale', delivery: again.headers['x-lernito-delivery'] }]
      assert.deepEqual([status, json], [200, { ...DONE, kept }], 'it says that the buyer is in the course again')
      await bringForward()
      await noOrder()
      await until('the enrollment', async () => {
        const { state } = await show(String(again.headers['x-lernito-delivery']))
        return (state === 'enrolled' && (await activeIn(ALICE)).includes(DEMO)) || undefined
      })
    })
  }

  test('and a repeat of the old refund under its id changes nothing then, and says who keeps the course', async () => {
    const delivery = await sold(ALICE)
    await refund({ email: ALICE, id: 'msg_old' })
    await sold(ALICE)
    const kept = [{ course: DEMO, reason: 'sale', delivery }]
    assert.deepEqual((await refund({ email: ALICE, id: 'msg_old' })).json, { ...DONE, kept })
    assert.deepEqual(await activeIn(ALICE), [DEMO])
    assert.equal((await refund({ email: ALICE, id: 'msg_new' })).status, 200)
    assert.deepEqual(await activeIn(ALICE), [])
  })
})

test('what the LMS keeps is refused, and the shop learns nothing about other people', async () => {
  const id = await sold(ALICE)
  // Otherwise it would be found by the account’s id.
  await setFacts(product.context.database.db, id, { accounts: {} })
  const answer = {
    path: '/api/user/v1/accounts',
    method: 'GET',
    status: 200,
    body: [{ username: 'x', email: 'b@x.example', id: 900, is_active: true }],
  }
  await lms.faults([answer])
  const { status, json } = await refund({ email: ALICE, name: payload({ email: ALICE }).slice(0, 5) })
  assert.deepEqual(
    [status, json],
    [
      400,
      {
        success: false,
        message: 'The buyer could not be withdrawn from every course. Ask the operator about the delivery',
      },
    ],
  )
  assert.ok((await kinds(id)).includes('refund_failed'))
})

describe('a refund that failed', () => {
  const refusing = {
    path: '/api/user/v1/accounts',
    method: 'GET',
    status: 200,
    body: [{ username: 'x', email: 'b@x.example', id: 900, is_active: true }],
  }
  /** Sold, and refunded while the LMS takes the address for another person's. */
  const failed = async (): Promise<string> => {
    const id = await sold(ALICE)
    await setFacts(product.context.database.db, id, { accounts: {} })
    await lms.faults([refusing])
    assert.equal((await refund({ email: ALICE, id: 'msg_refund' })).status, 400)
    return id
  }

  test('is tried again under the same id once its cause is gone, and changes nothing after that', async () => {
    const id = await failed()
    assert.equal((await refund({ email: ALICE, id: 'msg_refund' })).status, 400, 'the cause is still there')
    await lms.noFaults()
    const { status, headers } = await refund({ email: ALICE, id: 'msg_refund' })
    assert.deepEqual([status, headers['x-lernito-delivery']], [200, id])
    assert.deepEqual([await activeIn(ALICE), await stateOf(id)], [[], 'withdrawn'])
    const before = await withdrawals()
    assert.equal((await refund({ email: ALICE, id: 'msg_refund' })).status, 200)
    assert.deepEqual(await withdrawals(), before)
  })

  test('is answered 200 once an operator has withdrawn the delivery', async () => {
    const id = await failed()
    await lms.noFaults()
    await product.withdraw(id)
    assert.equal((await refund({ email: ALICE, id: 'msg_refund' })).status, 200)
  })

  test('is not tried again after the sale came again, which is the newer statement', async () => {
    await failed()
    await lms.noFaults()
    await sold(ALICE)
    assert.equal((await refund({ email: ALICE, id: 'msg_refund' })).status, 200)
    assert.deepEqual(await activeIn(ALICE), [DEMO])
  })
})

test('another refund under a known id is refused, and withdraws nothing', async () => {
  await sold(ALICE, [DEMO, PYTHON])
  assert.equal((await refund({ email: ALICE, id: 'msg_refund' })).status, 200)
  const { status, json } = await refund({ email: ALICE, courseIds: [PYTHON], id: 'msg_refund' })
  const message = 'This webhook-id is that of another refund. Send each refund under an id of its own'
  assert.deepEqual([status, json], [400, { success: false, message }])
  assert.deepEqual(await activeIn(ALICE), [PYTHON])
})

test('a repeat of a refund names the refunded delivery, and not a newer one of the buyer', async () => {
  const id = await sold(ALICE)
  await sold(ALICE, [PYTHON])
  for (const times of [1, 2]) {
    const { headers } = await refund({ email: ALICE, id: 'msg_refund' })
    assert.equal(headers['x-lernito-delivery'], id, `${times}`)
  }
})

test('a refund may name a sale by the longest webhook-id', async () => {
  const sale = 'o'.repeat(256)
  assert.equal((await refund({ email: ALICE, sale })).status, 404)
  const message = { sale: ['Ensure this field has no more than 256 characters.'] }
  assert.deepEqual((await refund({ email: ALICE, sale: `${sale}o` })).json, { success: false, message })
})
