import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { request } from 'node:http'
import { after, describe, test } from 'node:test'
import { resultsOf } from '../../../src/sale/line.ts'
import { operator, readable, startWithConsole } from '../../console/harness.ts'
import { operationsOn } from '../../enroll/withdraw/withdrawing.ts'
import { DEMO, exchange, payload, signed } from '../../harness.ts'
import { run, until } from '../../service/process.ts'

/** A sale without a fault is done within this time on a busy machine too. */
const WAIT_MS = 4000
const LOOK_UP = '/api/courses/v1/courses/{id}'
const product = await startWithConsole({
  env: { LERNITO_REFUNDS: 'on', LERNITO_ANSWER_WITHIN_MS: String(WAIT_MS) },
})
const url = `sqlite:${product.folder}/lernito.db`
const { operations, context, close } = operationsOn(url)
after(async () => {
  await close()
  rmSync(product.folder, { recursive: true })
})

/** The answers about a delivery, once there are `count`. */
const answersOf = (id: string, count: number) =>
  until(`${count} answers`, async () => {
    const answers = (await operations.timeline(id)).flatMap(({ kind, answer }) =>
      answer ? [{ to: kind, ...answer }] : [],
    )
    return answers.length >= count ? answers : undefined
  })
const given = async (id: string, count: number) => (await answersOf(id, count)).map(({ to, status }) => [to, status])
const sold = async (of: { email: string; courseIds?: readonly string[] }): Promise<string> =>
  String((await product.sell(of)).headers['x-lernito-delivery'])

describe('a delivery shows what the shop was answered', () => {
  test('to the first webhook and to each repeat, with the time and how long it took', async () => {
    const before = Date.now()
    const id = await sold({ email: 'first@example.com' })
    assert.equal(await sold({ email: 'first@example.com' }), id)
    const answers = await answersOf(id, 2)
    assert.deepEqual(
      answers.map(({ to, status }) => [to, status]),
      [
        ['received', 200],
        ['repeated', 200],
      ],
    )
    for (const { at, ms } of answers) assert.ok(at - ms >= before - 1 && at <= Date.now() && ms >= 0, `${at} ${ms}`)
  })

  test('if the sale breaks the payload rules, or its course is missing', async () => {
    const invalid = await sold({ email: 'no address' })
    const missing = await sold({ email: 'missing@example.com', courseIds: ['course-v1:No+Such+Course'] })
    assert.deepEqual(await given(invalid, 1), [['received', 400]])
    assert.deepEqual(await given(missing, 1), [['received', 400]])
  })

  test('a refused course at once, while another course of the sale is tried again', async () => {
    const [failing, full] = [DEMO, 'course-v1:Lernito+Full+2026']
    await product.lms.faults([{ method: 'POST', naming: failing, status: 502 }])
    const before = performance.now()
    const { status, headers } = await product.sell({ email: 'erin@example.com', courseIds: [failing, full] })
    const id = String(headers['x-lernito-delivery'])
    assert.ok(performance.now() - before < WAIT_MS / 2, 'without waiting for the other course')
    const shown = await operations.show(id)
    assert.deepEqual([status, shown?.state, shown?.reason?.code], [400, 'queued', 'lms.refused'])
    await product.lms.noFaults()
    await operations.replay({ ids: [id], by: 'alice' })
    await until('the end', async () => ((await operations.show(id))?.state === 'needs_attention' ? true : undefined))
    assert.deepEqual(resultsOf((await operations.show(id))?.lines ?? []), { [failing]: 'enrolled' })
  })

  test('if the sale was still queued when the wait was over, and then the answer to its repeat', async () => {
    await product.lms.faults([{ path: LOOK_UP, delayMs: WAIT_MS + 500, times: 1 }])
    const courseIds = ['course-v1:Lernito+PY101+2026']
    const id = await sold({ email: 'slow@example.com', courseIds })
    await until('the enrollment', async () => ((await operations.show(id))?.state === 'queued' ? undefined : true))
    await sold({ email: 'slow@example.com', courseIds })
    const [late, again] = await answersOf(id, 2)
    assert.deepEqual([late?.status, again?.status], [500, 200])
    assert.ok(late !== undefined && late.ms >= WAIT_MS - 20, `${late?.ms} ms`)
  })

  test('or that the sender hung up before the answer', async () => {
    await product.lms.faults([{ path: LOOK_UP, delayMs: WAIT_MS + 500, times: 1 }])
    const body = payload({ email: 'gone@example.com', courseIds: ['course-v1:Lernito+CLEAN+2026'] })
    const sending = request(product.webhook, { method: 'POST', headers: signed(body) })
    sending.once('error', () => {})
    sending.end(body)
    const row = await until('the delivery', () =>
      context.database.db
        .selectFrom('deliveries')
        .select('id')
        .where('email', '=', 'gone@example.com')
        .executeTakeFirst(),
    )
    sending.destroy()
    const [answer] = await answersOf(row.id, 1)
    assert.deepEqual([answer?.to, answer?.status, answer?.from], ['received', null, '127.0.0.1'])
    assert.ok(answer !== undefined && answer.ms < WAIT_MS / 2, `${answer?.ms} ms`)
  })

  test('and what it was answered about a refund', async () => {
    const id = await sold({ email: 'refunded@example.com' })
    const body = payload({ email: 'refunded@example.com' })
    const answered = await exchange({ url: `${product.url}/api/lernito/refund/`, headers: signed(body), body })
    assert.deepEqual(await given(id, 2), [
      ['received', 200],
      ['withdrawal_requested', answered.status],
    ])
  })
})

test('the console and the command line show the answers to the shop', async () => {
  const id = await sold({ email: 'shown@example.com' })
  await answersOf(id, 1)
  const someone = await operator(product)
  const text = readable(await someone.see(`/deliveries/${id}`))
  assert.match(
    text,
    / \d\d:\d\d:\d\d Received · answered in [\d,]+ ms From 127\.0\.0\.1 Signature .* Our answer 200 after [\d,]+ ms /,
  )
  const env = { LERNITO_DATABASE_URL: url }
  const shown = await run({ args: ['deliveries', 'show', id], env })
  assert.match(shown.stdout, /^20\S+ \S+Z +Received +.*, answered 200 after \d+ ms$/m)
  const json = await run({ args: ['deliveries', 'show', id, '--json'], env })
  const [received] = JSON.parse(json.stdout).timeline
  assert.deepEqual([received.kind, received.answer.status], ['received', 200])
})

test('the answers of the last second are stored when the service stops', async () => {
  const id = await sold({ email: 'last@example.com' })
  await product.stop({ keep: true })
  assert.equal((await operations.timeline(id)).filter(({ answer }) => answer).length, 1)
})
