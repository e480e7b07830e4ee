import { setTimeout as delay } from 'node:timers/promises'
import { type Found, storeFound } from '../../queue/change-deliveries.ts'
import { auditedChange, type EventDraft, type TransactionContext, type WriteContext } from '../../queue/events.ts'
import { startRepair } from '../../queue/replay.ts'
import { endedAtOf, readReason, reasonColumns } from '../../queue/rows.ts'
import { isWithdrawing } from '../../sale/line.ts'
import type { Delivery } from '../../sale/types.ts'
import type { Background } from '../../service/lib/loop.ts'
import { blockedBy, createProgressReader } from './access.ts'
import { type Locked, lockReported } from './reported.ts'
import { type Check, changesNothing, resultOfCheck } from './result.ts'

/** Small steps with a rest between them, so that webhooks get their turn. */
const STEP = 200
const REST_MS = 20

/** What the database has after a check was stored; null if it was not, because the delivery has changed since. */
export type Stored = Pick<Delivery, 'state' | 'lines'> | null

/**
 * Stores what checks have found, in steps of one transaction each. A check changes its delivery only if that is still in
 * the state and the generation in which it was read, no later check was stored, and no withdrawal is pending. So a late
 * writer overwrites nothing newer. Where a buyer who was pre-enrolled lacks the mode that was sold, the delivery starts again.
 * @param of.by the operator who asked for the checks: each delivery then gets an event `checked`
 * @param of.guard runs what needs the database
 */
export async function storeChecks(
  context: WriteContext,
  {
    checks,
    by = null,
    guard,
  }: {
    checks: readonly Check[]
    by?: string | null
    guard: Background['guard']
  },
): Promise<ReadonlyMap<string, Stored>> {
  const all = new Map<string, Stored>()
  const worthIt = by === null ? checks.filter((check) => !changesNothing(check)) : checks
  for (let from = 0; from < worthIt.length; from += STEP) {
    if (from > 0) await delay(REST_MS)
    const step = worthIt.slice(from, from + STEP)
    const stored = await guard(() => auditedChange(context, (writing) => storeStep(writing, step, by)))
    for (const [id, one] of stored) all.set(id, one)
  }
  return all
}

interface Write {
  /** null: nothing changes. */
  readonly found: Found | null
  /** See Checked. */
  readonly lacking: readonly string[]
  readonly drafts: readonly EventDraft[]
  readonly stored: Stored
}

async function storeStep(
  writing: TransactionContext,
  checks: readonly Check[],
  by: string | null,
): Promise<{ result: Map<string, Stored>; listed: EventDraft[]; others: EventDraft[] }> {
  const ids = [...new Set(checks.map(({ reported }) => reported.id))]
  // What a check saw of a buyer who is being taken out of courses may be the half of it.
  const settled = (await lockReported(writing, ids)).filter(({ lines }) => !lines.some(isWithdrawing))
  const rows = new Map(settled.map((row) => [row.id, row]))
  const progressOf = createProgressReader(writing)
  const writes = new Map<string, Write>()
  for (const check of checks) {
    const row = rows.get(check.reported.id)
    const write = row === undefined ? null : await writeOf(writing, { check, row, by, progressOf })
    if (row !== undefined && write !== null) writes.set(row.id, write)
  }
  await storeFound(
    writing,
    [...writes.values()].flatMap(({ found }) => found ?? []),
  )
  for (const [id, { lacking: courses }] of writes) if (courses.length > 0) await startRepair(writing, { id, courses })
  const drafts = [...writes.values()].flatMap((write) => write.drafts)
  return {
    result: new Map(checks.map(({ reported: { id } }) => [id, writes.get(id)?.stored ?? null])),
    listed: drafts.filter(({ actor }) => actor !== undefined),
    others: drafts.filter(({ actor }) => actor === undefined),
  }
}

type ProgressReader = ReturnType<typeof createProgressReader>

async function writeOf(
  writing: TransactionContext,
  { check, row, by, progressOf }: { check: Check; row: Locked; by: string | null; progressOf: ProgressReader },
): Promise<Write | null> {
  if (row.state !== check.reported.state || row.generation !== check.reported.generation) return null
  const { id, state, lines } = row
  const of = { check, reason: readReason(row), lines, receivedAt: row.received_at, at: writing.at, by }
  const found = resultOfCheck(of)
  const { ended, restored } = found.changes
  const isNews = ended.length + restored.length > 0
  const blocked = isNews ? blockedBy(await progressOf(row), { row, ended, restored }) : new Set<string>()
  const after = blocked.size === 0 ? found : resultOfCheck({ ...of, blocked })
  const { lacking, drafts } = after
  const stored = { state: lacking.length > 0 ? ('queued' as const) : after.state, lines: after.lines }
  const written = { lacking, drafts, stored }
  if (after.lines === lines && after.reason === of.reason) return { ...written, found: null }
  const set = { state: after.state, ...reasonColumns(after.reason), ended_at: endedAtOf(after.lines) }
  return { ...written, found: { id, from: state, set, before: lines, lines: after.lines } }
}
