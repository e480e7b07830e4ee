import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import { AppError } from '../errors.ts'
import { readOutcome, readRequest, toDelivery, unreadable } from '../inbox/rows.ts'
import type { Candidate, Place } from './candidates.ts'
import type { DeliveryFilter } from './filter.ts'
import type { Found, Preview, Shown, Summary } from './operations.ts'
import { search } from './search.ts'

const PAGE = 50
const PAGE_MAX = 500
const SAMPLE = 10
/** Counted in steps of so many, up to so many. */
const COUNT_STEP = 1000
const COUNT_MAX = 2000

/** A page of what a filter finds; see Desk.list. Throws AppError query.invalid for an `after` that no page gave. */
export async function list({
  db,
  filter,
  limit = PAGE,
  after = null,
}: {
  db: Kysely<Tables>
  filter: DeliveryFilter
  limit?: number
  after?: string | null
}): Promise<Found> {
  const most = Math.min(Math.max(1, limit), PAGE_MAX)
  const { found, next, cut } = await search({ db, filter, after: readCursor(after), limit: most })
  return {
    items: await summaries({ db, candidates: found }),
    next: next === null ? null : cursorOf(next),
    searchedBackTo: cut ? (next?.activeAt ?? null) : null,
  }
}

/** How many a filter finds, counted as far as it is cheap, and the first of them; see Desk.previewReplay. */
export async function preview({ db, filter }: { db: Kysely<Tables>; filter: DeliveryFilter }): Promise<Preview> {
  let count = 0
  let sample: readonly Candidate[] = []
  let after: Place | null = null
  for (let steps = 0; steps < COUNT_MAX / COUNT_STEP; steps++) {
    const { found, next } = await search({ db, filter, after, limit: COUNT_STEP })
    if (steps === 0) sample = found.slice(0, SAMPLE)
    count += found.length
    after = next
    if (next === null) break
  }
  return { count, more: after !== null, sample: await summaries({ db, candidates: sample }) }
}

/** One delivery whole, also one whose row can't be read; null: there is none. */
export async function show({ db, id }: { db: Kysely<Tables>; id: string }): Promise<Shown | null> {
  const row = await db.selectFrom('deliveries').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined) return null
  try {
    return { ...toDelivery(row), activeAt: row.active_at, unreadable: null }
  } catch (error) {
    const empty = toDelivery({ ...row, request: null, outcome: null })
    return { ...empty, activeAt: row.active_at, unreadable: unreadable(error).subject }
  }
}

async function summaries({
  db,
  candidates,
}: {
  db: Kysely<Tables>
  candidates: readonly Candidate[]
}): Promise<Summary[]> {
  if (candidates.length === 0) return []
  const ids = candidates.map(({ id }) => id)
  const rows = await db
    .selectFrom('deliveries')
    .select([
      'id',
      'state',
      'received_at',
      'active_at',
      'attempts',
      'due_at',
      'request',
      'outcome',
      'email',
      'username',
      'course',
    ])
    .where('id', 'in', ids)
    .execute()
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap((id) => {
    const row = byId.get(id)
    if (row === undefined) return []
    const request = orNull(readRequest, row.request)
    const summary: Summary = {
      id,
      state: row.state,
      email: request?.email ?? row.email,
      username: request?.username ?? (row.username === '' ? null : row.username),
      courseIds: request?.courseIds ?? (row.course === null ? [] : [row.course]),
      receivedAt: row.received_at,
      activeAt: row.active_at,
      attempts: row.attempts,
      dueAt: row.due_at,
      outcome: orNull(readOutcome, row.outcome),
    }
    return [summary]
  })
}

/** A list is shown whatever one of its rows holds. */
function orNull<T>(read: (text: string) => T, text: string | null): T | null {
  if (text === null) return null
  try {
    return read(text)
  } catch {
    return null
  }
}

const cursorOf = ({ activeAt, id }: Place): string => Buffer.from(`${activeAt} ${id}`).toString('base64url')

function readCursor(text: string | null): Place | null {
  if (text === null) return null
  const [, at, id] = /^(\d{1,15}) (\w{1,26})$/.exec(Buffer.from(text, 'base64url').toString()) ?? []
  if (at === undefined || id === undefined) {
    throw new AppError('query.invalid', 'The address of this page is damaged. Begin with the first page.')
  }
  return { activeAt: Number(at), id }
}
