import type { TestContext } from 'node:test'
import { defaultWorld } from '../../sandbox/default-world.ts'
import { type StandInOptions, startStandIn } from '../../sandbox/stand-in.ts'
import { enrollSingly } from '../../src/enroll/enroll-singly.ts'
import type { PriorKnowledge } from '../../src/enroll/pair.ts'
import type { PairResult } from '../../src/enroll/work.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { control, DEMO, type State } from '../harness.ts'
import { lmsAt } from './lms-at.ts'

/** A stand-in, and a function that enrolls one person in one course there. */
export async function startSingly(t: TestContext, options: StandInOptions = {}) {
  const standIn = await startStandIn({ throttle: 'off', ...options })
  const lms = lmsAt(standIn.url)
  t.after(async () => {
    await lms.close()
    await standIn.close()
  })
  const sandbox = control(standIn.url)
  const before = new Map<number, () => Promise<unknown>>()

  return {
    ...sandbox,
    lms,
    /** Runs something right before the nth throttled call (from 1) of the next `enroll`. */
    beforeCall: (nth: number, happens: () => Promise<unknown>): void => void before.set(nth, happens),
    /** Gives the result, and the calls with an effect that were sent for it. */
    enroll: async (
      email: string,
      { prior = 'unasked', course = DEMO }: { prior?: PriorKnowledge; course?: string } = {},
    ): Promise<{ result: PairResult; sent: string[] }> => {
      await sandbox.forgetCalls()
      let calls = 0
      const acquire = async () => {
        await before.get(++calls)?.()
        return unlimitedBudget().acquire(new AbortController().signal)
      }
      const result = await enrollSingly({
        lms,
        acquire,
        email,
        course,
        stored: null,
        named: false,
        mayLand: async () => false,
        claimed: false,
        wasDone: false,
        prior,
        mode: null,
      })
      before.clear()
      const changes = (await sandbox.calls()).filter(({ method, path }) => method !== 'GET' && path.startsWith('/api'))
      return { result, sent: changes.map(({ method, path }) => `${method} ${path.split('/')[4]}`) }
    },
    enrollmentsOf: async (email: string): Promise<State['enrollments']> =>
      (await sandbox.state()).enrollments.filter((row) => row.email === email),
  }
}
/** Adds the mode `verified` to a course that had only `audit`, in which a person is enrolled who registered since. */
export const addVerified = (
  lms: Pick<ReturnType<typeof control>, 'reset'>,
  { course, ...person }: { course: string; email: string; username: string },
) =>
  lms.reset({
    ...defaultWorld,
    people: [...defaultWorld.people, { ...person, active: true }],
    courses: [{ id: course, name: 'Python', modes: ['audit', 'verified'] }],
    enrollments: [{ email: person.email, course, mode: 'audit', active: true }],
  })

export type Singly = Awaited<ReturnType<typeof startSingly>>
