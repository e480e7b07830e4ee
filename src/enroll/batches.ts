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
 * - `courses`: several people and one course, as enrollments/modify takes them.
 * - `singles`: one person, through the single APIs.
 */
export type Scope = 'sets' | 'courses' | 'singles'

interface Choice {
  /** Oldest first. */
  readonly works: readonly Work[]
  readonly scope: Scope
  /** ms since 1970 */
  readonly now: number
  /** Whether a call for several people may name this course. */
  readonly mayBatch?: (course: string) => boolean
  /** Whether to leave out the calls through the single APIs, which need permits. */
  readonly withoutSingles?: boolean
  /** Whether a sender waits for the answer. If so, the work comes before any backlog. */
  readonly isAwaited?: (work: Work) => boolean
  /** The most people in a call. */
  readonly people?: number
  /** Which calls may be made for a course now. */
  readonly healthOf?: (course: string) => CourseHealth
  /** Whether to leave out doubtful calls: they have only one slot, and it is taken. */
  readonly withoutDoubtful?: boolean
  /** Whether suspects come first this time. If the other works never end, suspects would never get a turn. */
  readonly suspectsFirst?: boolean
}

/**
 * Chooses the next call, or null if there is none. It is for one course with all who wait for it, or for one set of
 * courses with all who wait for exactly that set, whichever serves more (person, course) pairs. A batch never enrolls
 * anyone in a course that they didn't buy. For a work that has to go alone, it is for one person. Suspects and probes of
 * paused courses come after all others.
 */
export function nextBatch(choice: Choice): Batch | null {
  const { withoutDoubtful = false, withoutSingles = false, suspectsFirst = false } = choice
  if (withoutDoubtful || withoutSingles) return healthyBatch(choice)
  if (suspectsFirst) return suspectBatch(choice) ?? healthyBatch(choice)
  return healthyBatch(choice) ?? suspectBatch(choice)
}

/** Whether the batch goes through the single APIs, whatever else the LMS has. */
export const isSingly = ({ works }: Batch): boolean => works.some(goesSingly)

/** Whether a call is likely to fail. Such calls share one slot, which leaves the others to healthy calls. */
export const isDoubtful = ({ works, courses }: Batch, healthOf: (course: string) => CourseHealth): boolean =>
  works.some(mayFailAgain) || courses.some((course) => healthOf(course) !== 'healthy')

const HEALTHY = (): CourseHealth => 'healthy'
const NOBODY = (): boolean => false
const ANY = (): boolean => true

/** The works that a sender waits for first, then the others. */
function inOrder(works: readonly Work[], isAwaited: (work: Work) => boolean): readonly Work[] {
  const awaited = works.filter(isAwaited)
  return awaited.length === 0 ? works : [...awaited, ...works.filter((work) => !isAwaited(work))]
}

function healthyBatch(choice: Choice): Batch | null {
  const { scope, now, isAwaited = NOBODY, people = BATCH_PEOPLE, withoutSingles = false, mayBatch = ANY } = choice
  const usable = usableIn(choice)
  const takes = (course: string): boolean => usable(course) && mayBatch(course)
  const goesAlone = (work: Work): boolean => goesSingly(work) || ![...work.open].some(takes)
  const works = inOrder(ableIn(choice, usable), isAwaited).filter((work) => !withoutSingles || !goesAlone(work))
  const [oldest] = works
  if (oldest === undefined) return null
  const single = (work: Work): Batch => ({ courses: [...work.open].filter(usable).sort(), works: [work] })
  const impatient = now - (oldest.delivery.dueAt ?? now) >= PATIENCE_MS
  if (scope === 'singles' || (goesAlone(oldest) && impatient)) return single(oldest)

  const anyAwaited = isAwaited(oldest)
  const isEligible = ({ works: [foremost = oldest] }: Batch): boolean =>
    impatient ? foremost === oldest : !anyAwaited || isAwaited(foremost)
  const [best = single(oldest)] = candidates({ works: works.filter((work) => !goesSingly(work)), people, takes, scope })
    .filter(isEligible)
    .sort((a, b) => pairs(b) - pairs(a)) // the sort is stable: of equals, the older one stays first
  return best
}

/** Tells which courses may be in a healthy call. */
function usableIn({ healthOf = HEALTHY, withoutDoubtful = false }: Choice): (course: string) => boolean {
  return (course) => {
    const health = healthOf(course)
    return health === 'healthy' || (health === 'doubtful' && !withoutDoubtful)
  }
}

/** The works that may be in a healthy call. */
function ableIn({ works, withoutDoubtful = false }: Choice, usable: (course: string) => boolean): readonly Work[] {
  return works.filter((work) => {
    const waits = work.grouping === 'suspect' || (withoutDoubtful && mayFailAgain(work))
    return !waits && [...work.open].some(usable)
  })
}

/** One person in one course, as a probe, or a suspect in all courses that take calls. */
function suspectBatch({ works, isAwaited = NOBODY, healthOf = HEALTHY }: Choice): Batch | null {
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
  takes,
  scope,
}: {
  works: readonly Work[]
  people: number
  takes: (course: string) => boolean
  scope: Scope
}): Batch[] {
  const parts = new Map<symbol | null, Map<string, { courses: readonly string[]; works: Work[] }>>()
  for (const work of works) {
    const all = [...work.open].filter(takes).sort()
    const isSet = scope === 'sets' && all.length > 1 && work.grouping === 'sets'
    const part = typeof work.grouping === 'symbol' ? work.grouping : null
    const sets = [...all.map((course) => [course]), ...(isSet ? [all] : [])]
    const found = parts.get(part) ?? new Map<string, { courses: readonly string[]; works: Work[] }>()
    parts.set(part, found)
    for (const courses of sets) {
      const key = courses.join(',') // no course key has a comma
      const batch = found.get(key) ?? { courses, works: [] }
      if (batch.works.length < people) batch.works.push(work)
      found.set(key, batch)
    }
  }
  return [...parts.values()].flatMap((found) => [...found.values()])
}

const pairs = ({ courses, works }: Batch): number => courses.length * works.length
