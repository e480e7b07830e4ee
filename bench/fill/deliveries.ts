import { createHash } from 'node:crypto'
import { searchTermsOf } from '../../src/queue/search-terms.ts'
import { createIds } from '../../src/sale/ids.ts'
import { courseKey, emailOf } from '../world.ts'

export const COURSES = 30
/** One in FAILED deliveries needs attention, one in UNREGISTERED is pre-enrolled. */
const FAILED = 200
const UNREGISTERED = 100
/** More than a search sorts in memory. */
const OLD = 20_000

export type Value = string | number | null
export const COLUMNS = {
  deliveries:
    'id, digest, source, form, state, reason, reason_text, subject, due_at, attempts, generation, effect_unknown, reads_first, may_have_effect, last_event, received_at, settled_at, active_at, done_at, email, username, course, course_count, search_text, request, body',
  delivery_lines: 'delivery_id, position, sent, course_key, result',
  events: 'delivery_id, id, seq, at, kind, detail',
} as const
export type FilledTable = keyof typeof COLUMNS

/** One delivery's rows, with the values in the order of COLUMNS. */
export type Filled = Readonly<Record<FilledTable, readonly (readonly Value[])[]>>

/** How many deliveries there are, how many of the last ones are due, and how far apart they were received, in ms. */
export interface Amount {
  readonly stored: number
  readonly due: number
  readonly apartMs: number
  /** Of so many courses. */
  readonly courses?: number
  /** Whether all that are not due wait for the registration of their buyers. */
  readonly allWait?: boolean
}

/** The first buyers have a name of their own, one in 50 of the others has another one, and the rest share a third. */
const familyOf = (number: number): string =>
  number < OLD ? 'Curie' : number % 50 === 0 ? 'Hopper' : `Lovelace Byron${number % 5000}`

export const requestOf = (number: number, courses = COURSES) => ({
  email: emailOf(number),
  name: 'Ada',
  family: familyOf(number),
  username: `buyer${number}`,
  courseIds: [courseKey(number % courses)],
})

/** The deliveries in the order in which they were received. The last one is received now. */
export function* deliveries({ stored, due, apartMs, courses, allWait = false }: Amount): Generator<Filled> {
  const first = Date.now() - stored * apartMs
  const clock = { at: first }
  const newId = createIds({ now: () => clock.at })
  for (let n = 0; n < stored; n++) {
    clock.at = first + n * apartMs
    const state = n >= stored - due ? 'queued' : allWait ? 'pre_enrolled' : stateOf(n)
    yield delivery({ n, at: clock.at, state, request: requestOf(n, courses), newId })
  }
}

type State = 'queued' | 'needs_attention' | 'pre_enrolled' | 'enrolled'

function stateOf(n: number): State {
  if (n % FAILED === 7) return 'needs_attention'
  return n % UNREGISTERED === 3 ? 'pre_enrolled' : 'enrolled'
}

interface Sold {
  readonly n: number
  readonly at: number
  readonly state: State
  readonly request: ReturnType<typeof requestOf>
  readonly newId: () => string
}

function delivery({ n, at, state, request, newId }: Sold): Filled {
  const [course = ''] = request.courseIds
  const body = JSON.stringify({ ...request, orderId: `ORDER-${n}` })
  const { email, username, text } = searchTermsOf({
    about: request,
    body: Buffer.from(body),
  })
  const id = newId()
  const isDue = state === 'queued'
  const isDone = state === 'enrolled' || state === 'pre_enrolled'
  const digest = createHash('sha256').update(body).digest('hex')
  const cause = state === 'needs_attention' ? ['course.missing', course, course.toLowerCase()] : [null, null, null]
  const mayHaveEffect = isDone ? 1 : 0
  const times = [at, isDue ? null : at, at, isDone ? at : null]
  const events = [
    [id, newId(), 1, at, 'received', 'signed over: original'],
    ...(isDue ? [] : [[id, newId(), 2, at, state, `${course}: ${state}`]]),
  ]
  return {
    deliveries: [
      [
        ...[id, digest, 'shop', 'original', state, ...cause, isDue ? at : null, 0, 0, 0, 0],
        ...[mayHaveEffect, events.length, ...times],
        ...[email, username, course, 1, text, JSON.stringify(request), body],
      ],
    ],
    delivery_lines: [[id, 0, course, course, RESULTS[state]]],
    events,
  }
}

const RESULTS = { queued: null, needs_attention: null, pre_enrolled: 'allowed', enrolled: 'enrolled' } as const
