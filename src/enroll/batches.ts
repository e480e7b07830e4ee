import { modifyCanName } from '../lms/apis/instructor-enrollments.ts'
import type { CourseHealth } from './breakers/course-breakers.ts'
import { goesSingly, mayFailAgain, type Work } from './work.ts'

/** About one second of the LMS's time for people with an account, and a tenth of that for those without. */
export const BATCH_PEOPLE = 50
/** The size while the call budget runs low: the LMS does the same work in fewer, longer calls. */
export const BATCH_PEOPLE_AT_MOST = 100
/** A work that has waited this long (ms) is in the next call, however many wait for another course. */
const PATIENCE_MS = 2000

/** The people and courses of one call: each of `works` waits for each of `courses`. */
export interface Batch {
  readonly courses: readonly string[]
  readonly works: readonly Work[]
}

/**
 * What one call may be for:
 * - `sets`: several people and several courses, as bulk_enroll takes them.
 * - `courses`: several people and one course that enrollments/modify can name. Who waits for other courses only goes alone.
 * - `singles`: one person, through the single APIs.
 */
export type Scope = 'sets' | 'courses' | 'singles'

interface Choice {
  /** Oldest first. */
  readonly works: readonly Work[]
  readonly scope: Scope
  /** ms since 1970 */
  readonly now: number
  /** Whether to leave out whoever goes alone, which takes permits. */
  readonly withoutSingles?: boolean
  /** Whether a sender waits for the answer. If so, the work comes before any backlog. */
  readonly isAwaited: (work: Work) => boolean
  /** The most people in a call. */
  readonly people?: number
  /** Which calls may be made for a course now. */
  readonly healthOf: (course: string) => CourseHealth
  /**
   * Whether there may be a doubtful call. `never`: they have only one slot, and it is taken. `first`: suspects and probes
   * come first this time. If the other works never end, they would never get a turn.
   */
  readonly doubtful: 'never' | 'last' | 'first'
}

/**
 * Chooses the next call, or null if there is none. It is for one course with all who wait for it, or for one set of
 * courses with all who wait for exactly that set, whichever serves more (person, course) pairs. A batch never enrolls
 * anyone in a course that they didn't buy. For a work that has to go alone, it is for one person. Suspects and probes of
 * paused courses come after all others.
 */
export function nextBatch(choice: Choice): Batch | null {
  const { doubtful, withoutSingles = false } = choice
  if (doubtful === 'never' || withoutSingles) return healthyBatch(choice)
  if (doubtful === 'first') return suspectBatch(choice) ?? healthyBatch(choice)
  return healthyBatch(choice) ?? suspectBatch(choice)
}

/** Whether the batch goes through the single APIs, whatever else the LMS has. */
export const isSingly = ({ works }: Batch): boolean => works.some(goesSingly)

/** Whether a call is likely to fail. Such calls share one slot, which leaves the others to healthy calls. */
export const isDoubtful = ({ works, courses }: Batch, healthOf: (course: string) => CourseHealth): boolean =>
  works.some(mayFailAgain) || courses.some((course) => healthOf(course) !== 'healthy')

/** The works that a sender waits for first, then the others. */
const inOrder = (works: readonly Work[], isAwaited: (work: Work) => boolean): Work[] => [
  ...works.filter(isAwaited),
  ...works.filter((work) => !isAwaited(work)),
]

function healthyBatch(choice: Choice): Batch | null {
  const { scope, now, isAwaited, people = BATCH_PEOPLE, healthOf } = choice
  const mayDoubt = choice.doubtful !== 'never'
  const usableOf = ({ open }: Work): string[] =>
    [...open].sort().filter((course) => healthOf(course) === 'healthy' || (mayDoubt && healthOf(course) === 'doubtful'))
  const takes = { sets: () => true, courses: modifyCanName, singles: () => false }[scope]
  const takenOf = (work: Work): string[] => usableOf(work).filter(takes)
  const goesAlone = (work: Work): boolean => goesSingly(work) || takenOf(work).length === 0
  const isAble = (work: Work): boolean =>
    work.grouping !== 'suspect' &&
    (mayDoubt || !mayFailAgain(work)) &&
    usableOf(work).length > 0 &&
    !(choice.withoutSingles && goesAlone(work))
  const works = inOrder(choice.works.filter(isAble), isAwaited)
  const [oldest] = works
  if (oldest === undefined) return null
  const alone: Batch = { courses: usableOf(oldest), works: [oldest] }
  const impatient = now - (oldest.delivery.dueAt ?? now) >= PATIENCE_MS
  if (goesAlone(oldest) && impatient) return alone

  const anyAwaited = isAwaited(oldest)
  const isEligible = ({ works: [foremost = oldest] }: Batch): boolean =>
    impatient ? foremost === oldest : !anyAwaited || isAwaited(foremost)
  const [best = alone] = candidates({ works: works.filter((work) => !goesSingly(work)), people, takenOf, scope })
    .filter(isEligible)
    .sort((a, b) => pairs(b) - pairs(a)) // the sort is stable: of equals, the older one stays first
  return best
}

/** One person in one course, as a probe, or a suspect in all courses that take calls. */
function suspectBatch({ works, isAwaited, healthOf }: Choice): Batch | null {
  for (const work of inOrder(works, isAwaited)) {
    const open = [...work.open].sort()
    const usable = open.filter((course) => ['healthy', 'doubtful'].includes(healthOf(course)))
    if (work.grouping === 'suspect' && usable.length > 0) return { courses: usable, works: [work] }
    const probe = open.find((course) => healthOf(course) === 'probe')
    if (probe !== undefined) return { courses: [probe], works: [work] }
  }
  return null
}

/** For each course, and each set of courses if the scope has sets, the first `people` works that wait for it. */
function candidates({
  works,
  people,
  takenOf,
  scope,
}: Pick<Choice, 'works' | 'scope'> & { people: number; takenOf: (work: Work) => string[] }): Batch[] {
  const parts = Map.groupBy(works, ({ grouping }) => (typeof grouping === 'symbol' ? grouping : null))
  return [...parts.values()].flatMap((part) => {
    const found = new Map<string, { courses: readonly string[]; works: Work[] }>()
    for (const work of part) {
      const all = takenOf(work)
      const isSet = scope === 'sets' && all.length > 1 && work.grouping === 'sets'
      for (const courses of [...all.map((course) => [course]), ...(isSet ? [all] : [])]) {
        const key = courses.join(',') // no course key has a comma
        const batch = found.get(key) ?? { courses, works: [] }
        if (batch.works.length < people) batch.works.push(work)
        found.set(key, batch)
      }
    }
    return [...found.values()]
  })
}

const pairs = ({ courses, works }: Batch): number => courses.length * works.length
