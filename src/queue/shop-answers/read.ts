import type { Kysely } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import { ANSWERED_EVENTS, type GivenAnswer, type GivenAnswers, readShopAnswer } from '../../sale/shop-answer.ts'

/** How many of the first answers are shown, and how many of the last. */
const SHOWN = 20

/**
 * Returns the first 20 answers that the shop was given about a delivery and the last 20. Without those of the last second,
 * those that a killed process had not stored, and those of versions that didn't store them.
 */
export async function readAnswers({ db, id }: { db: Kysely<Tables>; id: string }): Promise<GivenAnswers> {
  const answered = db
    .selectFrom('events')
    .where('delivery_id', '=', id)
    .where('kind', 'in', ANSWERED_EVENTS)
    .where('answer', 'is not', null)
  const rows = answered.select(['id', 'kind', 'answer']).limit(SHOWN)
  const first = await rows.orderBy('id').execute()
  const after = first.at(-1)?.id ?? ''
  if (first.length < SHOWN) return { first: answersOf(first), omitted: 0, last: [] }
  const last = await rows.where('id', '>', after).orderBy('id', 'desc').execute()
  const { count } = await answered
    .where('id', '>', after)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return { first: answersOf(first), omitted: Number(count) - last.length, last: answersOf(last.reverse()) }
}

const answersOf = (rows: readonly { readonly kind: string; readonly answer: string | null }[]): GivenAnswer[] =>
  rows.flatMap(({ kind, answer }) => {
    const to = ANSWERED_EVENTS.find((one) => one === kind)
    const read = readShopAnswer(answer)
    return to === undefined || read === null ? [] : [{ to, ...read }]
  })
