import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startStandIn } from '../../sandbox/stand-in.ts'
import { CLOSED } from '../../src/enroll/breakers/breaker-state.ts'
import { createCourseBreakers } from '../../src/enroll/breakers/course-breakers.ts'
import { makeNextCall } from '../../src/enroll/calls.ts'
import { createCallChooser } from '../../src/enroll/choose-call.ts'
import { createInFlight } from '../../src/enroll/in-flight.ts'
import { settlement } from '../../src/enroll/settlement.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import type { Lms } from '../../src/lms/lms.ts'
import { stateAfter } from '../../src/sale/types.ts'
import { AppError } from '../../src/service/lib/errors.ts'
import { createWakeUp } from '../../src/service/lib/loop.ts'
import { control, DEMO } from '../harness.ts'
import { lmsAt } from './lms-at.ts'
import { aWork } from './works.ts'

/** Makes one call for a new sale, in a batch or singly, and settles it. `changed`: methods of the LMS client. */
async function attempted(
  t: TestContext,
  {
    alone = false,
    changed = {},
    mayContinue = async (ids: readonly string[]) => new Set(ids),
  }: { alone?: boolean; changed?: Partial<Lms>; mayContinue?: (ids: readonly string[]) => Promise<Set<string>> },
) {
  const standIn = await startStandIn({ throttle: 'off' })
  const client = lmsAt(standIn.url)
  t.after(async () => {
    await client.close()
    await standIn.close()
  })
  const breakers = createCourseBreakers({ now: () => 0, onChange: () => {} })
  const inFlight = createInFlight({
    inbox: {
      hasBegun: () => false,
      mayContinue: async (ids) => new Set(ids),
      beginAttempt: async (ids) => new Set(ids),
      release: () => {},
    },
  })
  const work = aWork({ email: 'new@example.com', courses: [DEMO], attempts: 2 })
  work.grouping = alone ? 'singly' : 'sets'
  inFlight.add(work)
  const errors: unknown[] = []
  const { signal } = new AbortController()
  await makeNextCall({
    inbox: { mayContinue, mayLand: async () => false },
    inFlight,
    chooser: createCallChooser({ inFlight, breakers, isAwaited: () => true, now: () => 0 }),
    breaker: {
      state: () => CLOSED,
      lms: { ...client, ...changed },
      whenClosed: async () => {},
      probe: async () => true,
      run: async () => {},
    },
    budget: unlimitedBudget(),
    breakers,
    wakeUp: createWakeUp(),
    onCalled: () => {},
    options: { emailStudents: false, modeOf: () => null },
    newId: () => 'batch-1',
    onError: (error) => void errors.push(error),
    signal,
  })
  const settled = settlement({ work, now: 1000, random: () => 0.5 })
  return { work, errors, settled, state: await control(standIn.url).state() }
}

for (const alone of [false, true]) {
  const how = alone ? 'a single call' : 'a batch'
  test(`the end of the lease in ${how} stops the attempt: it counts as none, and the call may still land`, async (t) => {
    const lost = new AppError('lease.lost', 'the lease has ended')
    const cut = () => Promise.reject(lost)
    const { errors, settled } = await attempted(t, { alone, changed: { bulkEnroll: cut, allow: cut } })
    assert.deepEqual(errors, [lost])
    const { attempts, dueAt, effectUnknown, mayLand } = settled
    assert.deepEqual(
      { state: stateAfter(settled), attempts, dueAt, effectUnknown, mayLand },
      { state: 'queued', attempts: 2, dueAt: 1000, effectUnknown: true, mayLand: true },
    )
  })

  test(`while the database can’t say who owns a delivery, ${how} is not made for it`, async (t) => {
    const away = new AppError('database.unreachable', 'the database is away')
    const { errors, settled, state } = await attempted(t, { alone, mayContinue: () => Promise.reject(away) })
    assert.deepEqual([state.enrollments.filter(({ email }) => email === 'new@example.com'), state.allowances], [[], []])
    assert.deepEqual(errors, [])
    assert.deepEqual([stateAfter(settled), settled.attempts, settled.mayLand], ['queued', 2, false])
  })
}
