import type { CourseStanding } from './course-breakers.ts'
import type { Work } from './work.ts'

/** About one second of the LMS for people who have an account, a tenth of it for those who don't. */
export const BATCH_PEOPLE = 50
/** While the call budget runs down: the LMS has the same work to do, in fewer and longer calls. */
export const BATCH_PEOPLE_AT_MOST = 100
/** Who has waited this long (ms) is in the next call, however many wait for another course. */
const PATIENCE_MS = 2000

/** One call: every one of `works` waits for every one of `courses`. */
export interface Batch {
  readonly courses: readonly string[]
  readonly works: readonly Work[]
}

interface Choice {
  /** Oldest first. */
  readonly works: readonly Work[]
  /** Whether the LMS has bulk_enroll. */
  readonly bulk: boolean
  /** ms since 1970 */
  readonly now: number
  /** Whether a sender waits for the answer: that one is in a call before any backlog. */
  readonly isAwaited?: (work: Work) => boolean
  /** At most so many in a call. */
  readonly people?: number
  /** What may be done for a course now. */
  readonly standing?: (course: string) => CourseStanding
  /** Whether calls that may fail are left out: those in doubt have one slot only, and it is taken. */
  readonly withoutDoubtful?: boolean
  /** Whether suspects come before the others for once: where those never end, suspects would never have a turn. */
  readonly suspectsFirst?: boolean
}

/**
 * The next call to make, or null if there is none: one course with all who wait for it, or one equal set of courses,
 * whichever serves more (person, course) pairs, and never a product that enrolls anybody in a course not bought.
 * Without `bulk`, and for those who can't go together with others, a batch is the one person. Those because of
 * whom a batch failed, and probes of paused courses, come after all others.
 */
export function nextBatch(choice: Choice): Batch | null {
  const { withoutDoubtful = false, suspectsFirst = false } = choice
  if (withoutDoubtful) return healthyBatch(choice)
  if (suspectsFirst) return suspectBatch(choice) ?? healthyBatch(choice)
  return healthyBatch(choice) ?? suspectBatch(choice)
}

/** Whether it is for one person by the single APIs, also where the LMS has bulk_enroll. */
export const isSingly = ({ works }: Batch): boolean => works.some(({ alone, suspect }) => alone || suspect)

/** Whether a call may fail: such calls have one slot at a time, so that the other ones are left to healthy calls. */
export const isDoubtful = ({ works, courses }: Batch, standing: (course: string) => CourseStanding): boolean =>
  works.some(({ suspect, part }) => suspect || part !== null) ||
  courses.some((course) => standing(course) !== 'healthy')

const HEALTHY = (): CourseStanding => 'healthy'
const NOBODY = (): boolean => false

/** Those who are waited for first, if there are any; else all. */
function inOrder(works: readonly Work[], isAwaited: (work: Work) => boolean): readonly Work[] {
  const awaited = works.filter(isAwaited)
  return awaited.length === 0 ? works : [...awaited, ...works.filter((work) => !isAwaited(work))]
}

function healthyBatch({
  works: all,
  bulk,
  now,
  isAwaited = NOBODY,
  people = BATCH_PEOPLE,
  standing = HEALTHY,
  withoutDoubtful = false,
}: Choice): Batch | null {
  const usable = (course: string): boolean => {
    const one = standing(course)
    return one === 'healthy' || (one === 'doubtful' && !withoutDoubtful)
  }
  const able = all.filter(({ suspect, part, open }) => {
    return !suspect && !(withoutDoubtful && part !== null) && [...open].some(usable)
  })
  const works = inOrder(able, isAwaited)
  const [oldest] = works
  if (oldest === undefined) return null
  const anyAwaited = isAwaited(oldest)
  const single = (work: Work): Batch => ({ courses: [...work.open].filter(usable).sort(), works: [work] })
  const impatient = now - (oldest.delivery.dueAt ?? now) >= PATIENCE_MS
  if (!bulk || (oldest.alone && impatient)) return single(oldest)

  const isEligible = ({ works: [foremost = oldest] }: Batch): boolean =>
    impatient ? foremost === oldest : !anyAwaited || isAwaited(foremost)
  const [best = single(oldest)] = candidates({ works: works.filter((work) => !work.alone), people, usable })
    .filter(isEligible)
    .sort((a, b) => pairs(b) - pairs(a)) // of equals the one that was there first stays first
  return best
}

/** One person in one course, as a probe, or a suspect in all courses that may be tried. */
function suspectBatch({ works, isAwaited = NOBODY, standing = HEALTHY }: Choice): Batch | null {
  for (const work of inOrder(works, isAwaited)) {
    const open = [...work.open].sort()
    const usable = open.filter((course) => ['healthy', 'doubtful'].includes(standing(course)))
    if (work.suspect && usable.length > 0) return { courses: usable, works: [work] }
    const probe = open.find((course) => standing(course) === 'probe')
    if (probe !== undefined) return { courses: [probe], works: [work] }
  }
  return null
}

/** For each course, and each equal set of courses, those who wait for it in their order: at most `people`. */
function candidates({
  works,
  people,
  usable,
}: {
  works: readonly Work[]
  people: number
  usable: (course: string) => boolean
}): Batch[] {
  const parts = new Map<object | null, Map<string, { courses: readonly string[]; works: Work[] }>>()
  for (const work of works) {
    const all = [...work.open].filter(usable).sort()
    const sets = [...all.map((course) => [course]), ...(all.length > 1 && !work.courseByCourse ? [all] : [])]
    const found = parts.get(work.part) ?? new Map<string, { courses: readonly string[]; works: Work[] }>()
    parts.set(work.part, found)
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
