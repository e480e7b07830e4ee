import { createHash } from 'node:crypto'
import { createIds } from '../../src/delivery/ids.ts'
import { textOfWords, tokensOf, WORDS_VERSION } from '../../src/words/words.ts'
import { courseKey, emailOf } from '../world.ts'

export const COURSES = 30
/** The owner of the deliveries that are due. */
export const ME = 'bench-replica'
/** One in FAILED deliveries needs attention, one in UNREGISTERED is pre-enrolled, one in SEVERAL has a second course. */
const FAILED = 200
const UNREGISTERED = 100
const SEVERAL = 10
/** More than a search sorts in memory. */
const OLD = 20_000

export type Value = string | number | null
export const COLUMNS = {
  deliveries:
    'id, digest, state, owner, due_at, attempts, received_at, settled_at, active_at, email, form, body, request, outcome, username, course, enrolled_at, words, words_version',
  events: 'delivery_id, id, at, kind, detail',
  further_courses: 'delivery_id, course, active_at',
  search_words: 'token, delivery_id',
} as const
export type FilledTable = keyof typeof COLUMNS

/** One delivery's rows, with the values in the order of COLUMNS. */
export type Filled = Readonly<Record<FilledTable, readonly (readonly Value[])[]>>

/** How many deliveries there are, how many of the last ones are due, and how far apart they were received, in ms. */
export interface Amount {
  readonly stored: number
  readonly due: number
  readonly apartMs: number
}

/** The first buyers have a name of their own, one in 50 of the others has another one, and the rest share a third. */
const familyOf = (number: number): string =>
  number < OLD ? 'Curie' : number % 50 === 0 ? 'Hopper' : `Lovelace Byron${number % 5000}`

export const requestOf = (number: number) => ({
  email: emailOf(number),
  name: 'Ada',
  family: familyOf(number),
  username: `buyer${number}`,
  courseIds: [courseKey(number % COURSES)],
})

/** The deliveries in the order in which they were received. The last one is received now. */
export function* deliveries({ stored, due, apartMs }: Amount): Generator<Filled> {
  const first = Date.now() - stored * apartMs
  const clock = { at: first }
  const newId = createIds({ now: () => clock.at })
  for (let n = 0; n < stored; n++) {
    clock.at = first + n * apartMs
    yield delivery({ n, at: clock.at, state: stateOf(n, n >= stored - due), newId })
  }
}

type State = 'queued' | 'needs_attention' | 'pre_enrolled' | 'enrolled'

function stateOf(n: number, isDue: boolean): State {
  if (isDue) return 'queued'
  if (n % FAILED === 7) return 'needs_attention'
  return n % UNREGISTERED === 3 ? 'pre_enrolled' : 'enrolled'
}

function delivery(of: { n: number; at: number; state: State; newId: () => string }): Filled {
  const { n, at, state, newId } = of
  const request = requestOf(n)
  const { email, name, family, username, courseIds } = request
  const [course = ''] = courseIds
  const text = JSON.stringify(request)
  const words = textOfWords([email, `${name} ${family}`, username])
  const id = newId()
  const isDue = state === 'queued'
  const isDone = state === 'enrolled' || state === 'pre_enrolled'
  const digest = createHash('sha256').update(text).digest('hex')
  const times = [isDue ? at : null, 0, at, isDue ? null : at, at]
  const terms = [username, course.toLowerCase(), isDone ? at : null, words, WORDS_VERSION]
  const received = [id, newId(), at, 'received', 'signed over: original']
  return {
    deliveries: [
      [
        id,
        digest,
        state,
        isDue ? ME : null,
        ...times,
        email,
        'original',
        text,
        text,
        outcomeOf(state, course),
        ...terms,
      ],
    ],
    events: isDue ? [received] : [received, [id, newId(), at, state, `${course}: ${state}`]],
    further_courses: n % SEVERAL === 0 ? [[id, courseKey((n + 1) % COURSES).toLowerCase(), at]] : [],
    search_words: tokensOf(words).map((token) => [token, id]),
  }
}

function outcomeOf(state: State, course: string): string | null {
  if (state === 'queued') return null
  if (state === 'needs_attention')
    return JSON.stringify({ courses: {}, reason: { code: 'course.missing', subject: course } })
  return JSON.stringify({ courses: { [course]: state === 'enrolled' ? 'enrolled' : 'allowed' }, reason: null })
}
