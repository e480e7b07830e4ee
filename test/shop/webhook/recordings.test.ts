import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { exchange, type Product, type State, startProduct } from '../../harness.ts'
import { DIFFERENCES } from './intended-differences.ts'
import { type Effect, type RecordedCase, recordedCases } from './recorded-cases.ts'

let product: Product
before(async () => {
  product = await startProduct()
})
after(() => product.stop())

/** Sends the recorded request and gives what was answered and what it changed in the LMS. */
async function replay(recorded: RecordedCase): Promise<{ status: number; body: unknown; effect: Effect }> {
  if (recorded.before === undefined) await product.lms.reset()
  else if (recorded.before !== 'as the case above left it') {
    await product.lms.reset()
    await product.lms.seed(recorded.before)
  }
  const was = await product.lms.state()
  const { method, headers, body } = recorded.request
  const answered = await exchange({ url: product.webhook, method, headers, body })
  const effect = changes(was, await product.lms.state())
  return { status: answered.status, body: answered.text === '' ? '' : JSON.parse(answered.text), effect }
}

function changes(was: State, is: State): Effect {
  const rows = {
    enrollments_new: missingFrom(was.enrollments, is.enrollments),
    enrollments_before: missingFrom(is.enrollments, was.enrollments),
    allowances_new: missingFrom(was.allowances, is.allowances),
    allowances_before: missingFrom(is.allowances, was.allowances),
  }
  return Object.fromEntries(Object.entries(rows).filter(([, list]) => list.length > 0))
}

function missingFrom<Row extends object>(there: readonly Row[], rows: readonly Row[]): Row[] {
  const known = new Set(there.map((row) => JSON.stringify(row)))
  return rows.filter((row) => !known.has(JSON.stringify(row)))
}

/** Errors that DRF words in `detail` carry `success` and `message` besides. */
function assertBody(actual: unknown, recorded: unknown): void {
  if (typeof recorded !== 'object' || recorded === null || !('detail' in recorded)) {
    assert.deepEqual(actual, recorded)
    return
  }
  const { detail } = recorded
  assert.deepEqual(actual, { success: false, message: detail, detail })
}

const sorted = (effect: Effect): unknown =>
  Object.fromEntries(
    Object.entries(effect).map(([name, list]) => [name, (list ?? []).map((row) => JSON.stringify(row)).sort()]),
  )

const met = { exactly: 0, differently: new Set<string>() }

function check(recorded: RecordedCase): void {
  const id = `${recorded.group}: ${recorded.name}`
  const difference = DIFFERENCES[id]
  const title = difference === undefined ? id : `${id} (intended difference: ${difference.reason})`
  test(title, async () => {
    const { status, body, effect } = await replay(recorded)
    if (difference === undefined) {
      assert.equal(status, recorded.response.status, JSON.stringify(body))
      assertBody(body, recorded.response.body)
      assert.deepEqual(sorted(effect), sorted(recorded.effect ?? {}))
      met.exactly++
      return
    }
    assert.equal(status, difference.status)
    assert.partialDeepStrictEqual(body, difference.body)
    assert.deepEqual(sorted(effect), sorted(difference.effect))
    assert.notDeepEqual(
      { status, effect: sorted(effect) },
      { status: recorded.response.status, effect: sorted(recorded.effect ?? {}) },
      'this is no difference any more: take it off the list',
    )
    met.differently.add(id)
  })
}

for (const recorded of recordedCases('lernito-webhook.json')) check(recorded)
for (const recorded of recordedCases('lernito-webhook-random.json')) check(recorded)

test('every intended difference on the list occurs', () => {
  assert.deepEqual([...met.differently].sort(), Object.keys(DIFFERENCES).sort())
  process.stdout.write(`# ${met.exactly} recorded cases exactly, ${met.differently.size} intended differences\n`)
})
