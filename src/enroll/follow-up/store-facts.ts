import { auditedChange, type EventDraft, type TransactionContext, type WriteContext } from '../../queue/events.ts'
import { storeLines } from '../../queue/lines.ts'
import { type Achievement, lineOf } from '../../sale/line.ts'
import type { EventKind } from '../../sale/types.ts'
import { blockedBy, createProgressReader, isWatched } from './access.ts'
import { type Locked, lockReported, type Reported } from './reported.ts'

/** What the LMS tells of a buyer in a course. `percent`: null if nobody is to know. `createdAt`: ms since 1970. */
export type Fact =
  | { readonly kind: 'passed'; readonly percent: number | null }
  | { readonly kind: 'certificate'; readonly url: string | null; readonly createdAt: number }
  | { readonly kind: 'no_certificate' }

interface News {
  readonly kind: EventKind
  readonly after: Achievement
}

/**
 * What a fact adds to what is known of the buyer in a course; null if that is nothing. Having passed is told once, however
 * the grade changes; a certificate when it is issued, when it is revoked, and when it is issued again. Pure.
 * @param of.at ms since 1970
 */
export function newsOf(of: { known: Achievement | null; fact: Fact; at: number }): News | null {
  const { known, fact, at } = of
  if (fact.kind === 'passed') {
    if (known !== null) return null
    return { kind: 'passed', after: { passedAt: at, ...(fact.percent === null ? {} : { percent: fact.percent }) } }
  }
  const certificate = known?.certificate
  const isIssued = certificate?.status === 'issued'
  if (known === null || isIssued === (fact.kind === 'certificate')) return null
  if (fact.kind === 'certificate') {
    const { url, createdAt } = fact
    return { kind: 'certificate_issued', after: { ...known, certificate: { status: 'issued', url, createdAt } } }
  }
  if (certificate === undefined) return null
  const revoked = { status: 'revoked', url: null, createdAt: certificate.createdAt } as const
  return { kind: 'certificate_revoked', after: { ...known, certificate: revoked } }
}

/** A fact about the buyer of a delivery in one course, by true course key. */
interface Found {
  readonly reported: Pick<Reported, 'id' | 'generation'>
  readonly course: string
  readonly fact: Fact
}

/**
 * Stores what is new in these facts with their events, in one transaction: so each fact is told once, and none is
 * lost. Nothing is stored of a delivery that has changed since it was read, nor of a course that the
 * buyer has lost or is being taken out of.
 */
export async function storeFacts(context: WriteContext, facts: readonly Found[]): Promise<void> {
  const byId = Map.groupBy(facts, ({ reported }) => reported.id)
  await auditedChange<null>(context, async (writing) => {
    const others: EventDraft[] = []
    const rows = await lockReported(writing, [...byId.keys()])
    const progressOf = createProgressReader(writing)
    for (const row of rows)
      others.push(...(await storeOne(writing, { row, found: byId.get(row.id) ?? [], progressOf })))
    return { result: null, listed: [], others }
  })
}

async function storeOne(
  writing: TransactionContext,
  {
    row,
    found,
    progressOf,
  }: { row: Locked; found: readonly Found[]; progressOf: ReturnType<typeof createProgressReader> },
): Promise<EventDraft[]> {
  const { id, state, lines } = row
  const current = found.filter(
    ({ reported, course }) => reported.generation === row.generation && isWatched({ state, lines }, course),
  )
  if (current.length === 0) return []
  const courses = current.map(({ course }) => course)
  const blocked = blockedBy(await progressOf(row), { row, ended: courses, restored: [] })
  const isLost = (course: string): boolean => lineOf(lines, course)?.standing?.endedAt !== undefined
  const achieved = new Map(lines.map((line) => [line.course, line.achievement]))
  const drafts: EventDraft[] = []
  for (const { course, fact } of current) {
    const news = newsOf({ known: achieved.get(course) ?? null, fact, at: writing.at })
    if (news === null || blocked.has(course) || isLost(course)) continue
    achieved.set(course, news.after)
    drafts.push({ deliveryId: id, kind: news.kind, detail: course })
  }
  const after = lines.map((line) => ({ ...line, achievement: achieved.get(line.course) ?? null }))
  await storeLines(writing.trx, [{ id, before: lines, lines: after }])
  return drafts
}
