import type { World } from '../lms/world.ts'

/** The seed of the sandbox's demo. */
export const DEMO_SEED = 26

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** The past of the demo, in days. */
const DAYS = 30
/** The LMS is away from 3 days ago, for 42 minutes. */
const OUTAGE_AGO = 3 * DAY - 5 * HOUR
const OUTAGE_MS = 42 * MINUTE

const DEMO = 'course-v1:edX+DemoX+Demo_Course'
const PYTHON = 'course-v1:Lernito+PY101+2026'
const CLEAN = 'course-v1:CodeTherapy+CS101011+2025_T1'
/** The shop has a typing error in the key of one product. */
const TYPO = 'course-v1:Lernito+PY102+2026'
const FULL = 'course-v1:Lernito+Full+2026'
const RETIRED = 'retired@example.com'

const FIRST =
  'Ada Bruno Carla Dario Elif Femi Greta Hugo Ines Jonas Kira Lucas Mina Noor Oskar Petra Rami Sofia Tariq Vera'
const LAST =
  'Adler Bianchi Costa Demir Eriksen Fischer Garcia Haddad Ivanov Jansen Keller Lindner Moreau Novak Okafor Peters'

/** What comes of a sale. `handled`: it needed attention because of the typing error, and an operator took care of it. */
export type End = 'enrolled' | 'pre_enrolled' | 'missing' | 'full' | 'retired' | 'invalid' | 'handled'

export interface PastSale {
  /** ms since 1970. */
  readonly at: number
  readonly settledAt: number
  readonly payload: {
    readonly email: string
    readonly name: string
    readonly family: string
    readonly username: string
    readonly courseIds: readonly string[]
  }
  readonly end: End
  /** The first attempt fails because the LMS is away. */
  readonly isInOutage: boolean
}

/**
 * The sales of the 30 days before `now` (ms since 1970), in their order; the last one is an hour old. The same seed and
 * time give the same sales.
 */
export function planPast({ seed, now }: { seed: number; now: number }): PastSale[] {
  const random = randomOf(seed)
  const upTo = (count: number): number => Math.floor(random() * count)
  const outage = { from: now - OUTAGE_AGO, to: now - OUTAGE_AGO + OUTAGE_MS }
  const times: number[] = Array.from({ length: 6 }, () => outage.from + MINUTE + upTo(OUTAGE_MS - 2 * MINUTE))
  for (let ago = DAYS - 1; ago >= 0; ago--) {
    const isWeekend = [0, 6].includes(new Date(now - ago * DAY).getUTCDay())
    const count = (isWeekend ? 14 : 8) + upTo(6)
    for (let i = 0; i < count; i++) times.push(now - HOUR - ago * DAY - upTo(DAY))
  }
  const first = now - DAYS * DAY
  return times
    .filter((at) => at > first)
    .sort((a, b) => a - b)
    .map((at, index): PastSale => {
      const isInOutage = at >= outage.from && at < outage.to
      const end = isInOutage ? 'enrolled' : endOf({ ago: now - at, index, draw: random() })
      const settledAt = isInOutage ? outage.to + 2_000 + upTo(20_000) : at + 300 + upTo(3_000)
      return { at, settledAt, end, isInOutage, payload: payloadOf({ end, index, course: upTo(10) }) }
    })
}

/**
 * What fails comes at fixed places of the row, so that every seed has each end. The typing error came two weeks ago, and
 * was taken care of until last week.
 */
function endOf({ ago, index, draw }: { ago: number; index: number; draw: number }): End {
  if (index % 23 === 7) return ago > 14 * DAY ? 'enrolled' : ago > 7 * DAY ? 'handled' : 'missing'
  if (index % 61 === 20) return 'full'
  if (index % 97 === 30) return 'retired'
  if (index % 47 === 11) return 'invalid'
  return draw < 0.15 ? 'pre_enrolled' : 'enrolled'
}

function payloadOf({ end, index, course }: { end: End; index: number; course: number }): PastSale['payload'] {
  const [names, families] = [FIRST.split(' '), LAST.split(' ')]
  const name = names[index % names.length] ?? ''
  const family = families[Math.floor(index / names.length) % families.length] ?? ''
  const round = Math.floor(index / (names.length * families.length))
  const username = `${name}.${family}${round === 0 ? '' : round}`.toLowerCase()
  const email =
    end === 'retired' ? RETIRED : end === 'invalid' ? `${username} at example.com` : `${username}@example.com`
  return { email, name, family, username, courseIds: coursesOf(end, course) }
}

function coursesOf(end: End, course: number): readonly string[] {
  if (end === 'missing' || end === 'handled') return [TYPO]
  if (end === 'full') return [FULL]
  if (course === 0) return [PYTHON, DEMO]
  return [course < 5 ? DEMO : course < 8 ? PYTHON : CLEAN]
}

/** The sales of today, for real webhooks. */
export const TODAY: readonly PastSale['payload'][] = [
  ...['Alice', 'Erin', 'Frank', 'Jose'].map((name) => today(name, [DEMO])),
  ...['Nora', 'Oleg'].map((name) => today(name, [PYTHON])),
  today('Heidi', [PYTHON, DEMO]),
  today('Tom', [DEMO], 'tom at example.com'),
  today('Grace', [PYTHON, FULL]),
  today('Victor', [TYPO]),
  today('Wanda', [DEMO], RETIRED),
]

function today(name: string, courseIds: readonly string[], given?: string): PastSale['payload'] {
  const username = name.toLowerCase()
  return { email: given ?? `${username}@example.com`, name, family: 'Example', username, courseIds }
}

/** The world of the LMS as these sales left it: accounts with enrollments, and allowances of buyers without an account. */
export function worldAfter(world: World, sales: readonly PastSale[]): World {
  const done = (end: End) => sales.filter((sale) => sale.end === end).map(({ payload }) => payload)
  const known = new Set(world.people.map(({ email }) => email))
  // A buyer whom a full course refused has an account too.
  const owners = [...done('enrolled'), ...done('full')].filter(({ email }) => !known.has(email))
  return {
    ...world,
    people: [...world.people, ...owners.map(({ email, username, name }) => ({ email, username, name, active: true }))],
    enrollments: [
      ...world.enrollments,
      ...done('enrolled').flatMap(({ email, courseIds }) =>
        courseIds.map((course) => ({ email, course, mode: world.default_mode, active: true })),
      ),
    ],
    allowances: [
      ...world.allowances,
      ...done('pre_enrolled').flatMap(({ email, courseIds }) =>
        courseIds.map((course) => ({ email, course, auto_enroll: true, used: false })),
      ),
    ],
  }
}

/** Numbers from 0 to 1 that the seed decides (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
