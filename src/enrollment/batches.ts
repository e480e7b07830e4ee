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

/**
 * The next call to make, or null if nobody waits: one course with all who wait for it, or one equal set of courses,
 * whichever serves more (person, course) pairs, and never a product that enrolls anybody in a course not bought. At
 * most `people`. `works` come oldest first, but somebody whose sender waits for the answer (`isAwaited`) is in the call
 * before any backlog. Without `bulk`, and for those who can't go together with others, a batch is the one person.
 */
export function nextBatch({
  works: all,
  bulk,
  now,
  isAwaited = () => false,
  people = BATCH_PEOPLE,
}: {
  works: readonly Work[]
  bulk: boolean
  now: number
  isAwaited?: (work: Work) => boolean
  people?: number
}): Batch | null {
  const awaited = all.filter(isAwaited)
  const works = awaited.length === 0 ? all : [...awaited, ...all.filter((work) => !isAwaited(work))]
  const [oldest] = works
  if (oldest === undefined) return null
  const first = new Set(awaited.length === 0 ? all : awaited)
  const impatient = now - (oldest.delivery.dueAt ?? now) >= PATIENCE_MS
  if (!bulk || (oldest.alone && impatient)) return single(oldest)

  const isEligible = ({ works: [foremost = oldest] }: Batch): boolean =>
    impatient ? foremost === oldest : first.has(foremost)
  const [best = single(oldest)] = candidates({ works: works.filter((work) => !work.alone), people })
    .filter(isEligible)
    .sort((a, b) => pairs(b) - pairs(a)) // of equals the one that was there first stays first
  return best
}

/** For each course, and each equal set of courses, those who wait for it in their order: at most `people`. */
function candidates({ works, people }: { works: readonly Work[]; people: number }): Batch[] {
  const found = new Map<string, { courses: readonly string[]; works: Work[] }>()
  for (const work of works) {
    const all = [...work.open].sort()
    for (const courses of [...all.map((course) => [course]), ...(all.length > 1 ? [all] : [])]) {
      const key = courses.join(',') // no course key has a comma
      const batch = found.get(key) ?? { courses, works: [] }
      if (batch.works.length < people) batch.works.push(work)
      found.set(key, batch)
    }
  }
  return [...found.values()]
}

const single = (work: Work): Batch => ({ courses: [...work.open].sort(), works: [work] })
const pairs = ({ courses, works }: Batch): number => courses.length * works.length
