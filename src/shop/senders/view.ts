import type { Db, SenderRow } from '../../database/schema.ts'
import { STANDARD_FAULTS } from '../signature/standard.ts'

/** The results of webhooks with a valid signature; every other result is the code of a refusal. */
export const SIGNED = ['signed', 'signed_previous'] as const

/** Whether a row is about signed webhooks, and not about refused ones. */
export const isSigned = ({ result }: Pick<SenderRow, 'result'>): boolean => SIGNED.some((one) => one === result)

/** Every fault of a signature: the service answers them alike. */
const SIGNATURE_FAULTS: readonly string[] = STANDARD_FAULTS

/** How many webhooks, and when the first and the last of them came (ms since 1970). */
export interface Refusals {
  readonly count: number
  readonly firstAt: number
  readonly lastAt: number
}

/** What was refused from one network. */
export interface RefusedSender {
  /** '' stands for several networks. */
  readonly address: string
  /** By cause, the most frequent first. `code`: see REFUSAL_CODES; `lately`: see SenderRow. */
  readonly causes: readonly (Refusals & { readonly code: string; readonly lately: number })[]
  /** When a webhook with a valid signature came from there last; null if none did. */
  readonly signedAt: number | null
}

export interface SendersView {
  /** Those that also sent signed webhooks first, each by its last refusal, the latest first. */
  readonly refused: readonly RefusedSender[]
  /** The sales that came under the webhook-id of another one; null: none. */
  readonly idsReused: Refusals | null
  /** When the last webhooks came that were signed with each secret, from anywhere; null: none. */
  readonly signedAt: { readonly current: number | null; readonly previous: number | null }
}

/** What the stored rows say. */
export function viewOf(rows: readonly SenderRow[]): SendersView {
  const byNetwork = Map.groupBy(rows, ({ address }) => address)
  const reused = rows.filter(({ result }) => result === 'sale_reused').map(causeOf)
  const refused = [...byNetwork].flatMap(([address, own]) => {
    const causes = own.filter((row) => !isSigned(row)).sort((a, b) => b.count - a.count)
    if (causes.length === 0) return []
    return [{ address, causes: causes.map(causeOf), signedAt: latest(own.filter(isSigned)) }]
  })
  return {
    refused: refused.sort((a, b) => rankOf(b) - rankOf(a) || allOf(b).lastAt - allOf(a).lastAt),
    idsReused: reused.length === 0 ? null : allOf({ causes: reused }),
    signedAt: {
      current: latest(rows.filter(({ result }) => result === 'signed')),
      previous: latest(rows.filter(({ result }) => result === 'signed_previous')),
    },
  }
}

const rankOf = ({ signedAt }: RefusedSender): number => (signedAt === null ? 0 : 1)

const causeOf = ({ result, count, first_at: firstAt, last_at: lastAt, lately }: SenderRow) => {
  return { code: result, count, firstAt, lastAt, lately }
}

const latest = (rows: readonly SenderRow[]): number | null =>
  rows.reduce<number | null>((last, { last_at: at }) => (last === null || at > last ? at : last), null)

/** All that was refused from a network. */
const allOf = ({ causes }: { readonly causes: readonly Refusals[] }): Refusals => ({
  count: causes.reduce((sum, { count }) => sum + count, 0),
  firstAt: Math.min(...causes.map(({ firstAt }) => firstAt)),
  lastAt: Math.max(...causes.map(({ lastAt }) => lastAt)),
})

const isWrongSignature = ({ code }: { readonly code: string }): boolean => SIGNATURE_FAULTS.includes(code)

/** What was refused from a network for its signature; null if nothing was. */
export function wrongSignatures({ causes }: Pick<RefusedSender, 'causes'>): Refusals | null {
  const wrong = causes.filter(isWrongSignature)
  return wrong.length === 0 ? null : allOf({ causes: wrong })
}

/** Whether a network has sent a webhook with a valid signature since its last refusal. */
export const isAcceptedAgain = ({ signedAt }: RefusedSender, { lastAt }: Refusals): boolean =>
  signedAt !== null && signedAt >= lastAt

/** This many wrong signatures from one address, without an hour between two of them or since, are no accident. */
const MANY_REFUSED = 5
export const RECENT_MS = 60 * 60_000

/**
 * The address from which several webhooks came with a wrong signature lately; null if there is none. It has all that came
 * from there, because the shop has to send those before a pause again too.
 */
export function wrongNow(
  refused: readonly RefusedSender[],
  now: number,
): (Refusals & { readonly address: string }) | null {
  for (const sender of refused) {
    const wrong = sender.address === '' ? null : wrongSignatures(sender)
    const recent = sender.causes.filter((cause) => isWrongSignature(cause) && cause.lastAt > now - RECENT_MS)
    if (wrong === null || recent.reduce((sum, { lately }) => sum + lately, 0) < MANY_REFUSED) continue
    if (!isAcceptedAgain(sender, wrong)) return { address: sender.address, ...wrong }
  }
  return null
}

/** How many of the newest deliveries count as lately. */
const LATELY = 50

/** How the shop signed one of the newest deliveries; `at` is when the latest of that form came (ms since 1970). */
export interface FormLately {
  readonly form: string
  readonly at: number
}

/** The signature forms of the newest deliveries that came from the shop, the latest first. */
export async function formsLately(db: Db): Promise<FormLately[]> {
  const newest = await db
    .selectFrom('deliveries')
    .select(['form', 'source', 'received_at'])
    .orderBy('id', 'desc')
    .limit(LATELY)
    .execute()
  const own = newest.filter(({ source }) => source === 'shop')
  return [...Map.groupBy(own, ({ form }) => form)].flatMap(([form, [latest]]) =>
    latest === undefined ? [] : [{ form, at: latest.received_at }],
  )
}
