import type { Permit } from '../../lms/client/budget.ts'
import type { Failure, Judged } from '../../lms/client/failure.ts'
import type { Lms } from '../../lms/lms.ts'
import { noteRepair } from '../../queue/replay.ts'
import type { CourseResult, DeliveryEvent, Standing } from '../../sale/types.ts'
import { type Changing, changeFor } from './change.ts'
import { type createDanglingCheck, deleteDangling } from './dangling.ts'
import { lookUpAll, seenIn } from './look-up-all.ts'
import type { Asking } from './look-ups.ts'
import { type Reported, readReported } from './reported.ts'
import { type Seen, standingIn } from './seen.ts'
import { storeChecks } from './store-checks.ts'

/** The wait if the LMS throttles without saying for how long. */
const THROTTLED_MS = 60_000

/** `dangling`: the LMS has an allowance for the course, but not the course. */
export type Found = Standing | 'dangling'

/** What the LMS has for one course of a delivery. */
export interface Finding {
  readonly deliveryId: string
  readonly email: string
  readonly course: string
  readonly reported: CourseResult
  readonly standing: Found
  /** Whether a repair could help. */
  readonly repairable: boolean
  /** null if there was no repair. */
  readonly repaired: boolean | null
  /** A description of the result of the repair. */
  readonly words: string
}

export interface ChunkOptions extends Omit<Changing, 'guard'> {
  readonly lms: Asking['lms'] & Pick<Lms, 'disallow'>
  readonly isModePending: Asking['isModePending']
  readonly dangling: ReturnType<typeof createDanglingCheck>
  readonly fix: boolean
  /** Lowercase addresses of people who may be enrolled or allowed whatever was reported. */
  readonly named: ReadonlySet<string>
  /** Enrolls a person in one course, or allows them. */
  readonly enroll: (of: {
    email: string
    course: string
    isNamed: boolean
    /** Waits for the right to make one throttled call. Rejects if the delivery doesn't want the repair any more. */
    acquire: () => Promise<Permit>
  }) => Promise<Repaired>
  /** The actor of the repairs. */
  readonly by: string
  /** Waits `ms`, or until the signal is aborted. */
  readonly sleep: (ms: number) => Promise<void>
  /** Called with each event after it is stored. */
  readonly publish: (event: DeliveryEvent) => void
}

/** The result of a repair, in words too. `isUnknown`: the LMS may still carry out a call. */
interface Repaired {
  readonly done: boolean
  readonly words: string
  readonly isUnknown: boolean
}

const CHANGED: Repaired = { done: false, words: 'it has changed meanwhile: run reconcile again', isUnknown: false }

/**
 * Checks deliveries, stores what it finds and, with `fix`, repairs: it enrolls who was reported as enrolled and has an
 * account without an enrollment, or whom the operator named, and deletes dangling allowances. It leaves everybody else
 * alone: an allowance may have been deleted as a refund. A delivery that doesn't want the course any more is left alone
 * too; see changeFor.
 */
export async function reconcileChunk(
  options: ChunkOptions,
  deliveries: readonly Reported[],
): Promise<{ findings: Finding[]; failure: Failure | null }> {
  const seen = await checkPatiently(options, deliveries)
  if (!seen.ok) return { findings: [], failure: seen.failure }
  const findings: Finding[] = []
  const repaired = new Set<string>()
  for (const reported of deliveries) {
    const person = seen.value.get(reported.email)
    if (person === undefined) continue
    const gone = await options.dangling.of(reported, person)
    if (!gone.ok) return { findings, failure: gone.failure }
    for (const finding of findingsOf(reported, person, gone.value)) {
      const attempt = mayRepair(options, finding) ? await repairOne(options, reported, finding) : null
      if (attempt?.done && finding.standing !== 'dangling') repaired.add(reported.id)
      findings.push({ ...finding, repaired: attempt?.done ?? null, words: attempt?.words ?? '' })
    }
  }
  if (repaired.size > 0) await checkPatiently(options, await readReported(options.context.database.db, [...repaired]))
  return { findings, failure: null }
}

/** Looks up what the LMS has for these people, and stores it. */
async function checkPatiently(
  { context, lms, acquire, isModePending, signal, sleep, publish }: ChunkOptions,
  deliveries: readonly Reported[],
): Promise<Judged<Map<string, Seen>>> {
  const beforeCall = async (): Promise<void> => signal.throwIfAborted()
  const asking = { lms, acquire, isModePending, beforeCall, rest: async () => {} }
  const people = deliveries.map(({ email, outcome }) => ({ email, courses: Object.keys(outcome.courses) }))
  for (;;) {
    const askedAt = context.now()
    const seen = await lookUpAll(asking, people)
    if (seen.ok) {
      const checks = deliveries.flatMap((reported) => {
        const person = seen.value.get(reported.email)
        const courses = Object.keys(reported.outcome.courses)
        return person === undefined ? [] : [{ reported, seen: seenIn(courses, person), askedAt }]
      })
      await storeChecks(context, { checks, guard: (work) => work(), publish })
      return seen
    }
    if (seen.failure.kind !== 'throttled' || signal.aborted) return seen
    await sleep(seen.failure.retryAfterMs ?? THROTTLED_MS)
  }
}

function findingsOf({ id, email, outcome }: Reported, seen: Seen, dangling: readonly string[]): Finding[] {
  const hasAccount = 'username' in seen.account
  return Object.entries(outcome.courses).map(([course, reported]) => {
    const standing = dangling.includes(course) ? 'dangling' : standingIn(course, seen).standing
    const repairable = standing === 'dangling' || (standing === 'missing' && (hasAccount || reported === 'allowed'))
    return { deliveryId: id, email, course, reported, standing, repairable, repaired: null, words: '' }
  })
}

/** A missing allowance may have been deleted on purpose, even before the person registered: only the operator knows. */
function mayRepair({ fix, named }: ChunkOptions, { repairable, standing, reported, email }: Finding): boolean {
  if (!fix || !repairable) return false
  return standing === 'dangling' || reported === 'enrolled' || named.has(email.toLowerCase())
}

async function repairOne(
  options: ChunkOptions,
  reported: Reported,
  { course, email, standing, reported: result }: Finding,
): Promise<Repaired> {
  const change = (acquire: () => Promise<Permit>): Promise<Repaired> =>
    standing === 'dangling'
      ? deleteDangling({ ...options, acquire, reported, course })
      : options.enroll({ email, course, isNamed: result === 'allowed', acquire })
  const changing = { ...options, guard: <T>(work: () => Promise<T>) => work() }
  const attempt =
    (await changeFor(changing, { reported, course, change, isUnknown: (repaired) => repaired.isUnknown })) ?? CHANGED
  if (attempt.done && standing !== 'dangling') {
    const { events } = await noteRepair(options.context, { id: reported.id, words: attempt.words, by: options.by })
    for (const event of events) options.publish(event)
  }
  return attempt
}
