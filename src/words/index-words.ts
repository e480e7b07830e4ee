import type { Kysely, Transaction } from 'kysely'
import { insertRows } from '../database/insert-rows.ts'
import type { Tables } from '../database/schema.ts'
import { allTokensOf, type Token, tokensOf } from './words.ts'

/** A delivery and the text of its words; null if it has none yet. */
export interface Worded {
  readonly id: string
  readonly words: string | null
}

/** Adds deliveries to the index of words, with one statement. Call it in the transaction that stores their text. */
export async function indexWords(trx: Transaction<Tables>, deliveries: readonly Worded[]): Promise<void> {
  const rows = deliveries.flatMap(({ id, words }) => tokensOf(words ?? '').map((token) => ({ token, delivery_id: id })))
  const key = ({ token, delivery_id }: (typeof rows)[number]): string => `${token} ${delivery_id}`
  const sorted = rows.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)) // unsorted, two replicas deadlock on MySQL
  await insertRows({ trx, into: 'search_words', rows: sorted, ignore: true })
}

/** Reads the texts of deliveries, so that unindexWords can remove them from the index. */
export async function readWords(
  trx: Pick<Transaction<Tables>, 'selectFrom'>,
  ids: readonly string[],
): Promise<Worded[]> {
  if (ids.length === 0) return []
  return trx.selectFrom('deliveries').select(['id', 'words']).where('id', 'in', ids).execute()
}

/**
 * Removes deliveries from the index of words. It has no index by delivery, which would double its size: the text that a
 * delivery stores says where its entries are.
 */
export async function unindexWords(trx: Transaction<Tables>, deliveries: readonly Worded[]): Promise<void> {
  for (const { id, words } of deliveries) {
    const tokens = allTokensOf(words ?? '')
    if (tokens.length === 0) continue
    await trx.deleteFrom('search_words').where('token', 'in', tokens).where('delivery_id', '=', id).execute()
  }
}

/** Appended to a text, it sorts after every text that begins with it, in both kinds of databases. */
const LAST = '\u{10ffff}'

const withToken = (db: Kysely<Tables>, { text, isWhole }: Token) => {
  const query = db.selectFrom('search_words')
  if (isWhole) return query.where('token', '=', text)
  return query.where('token', '>=', text).where('token', '<=', text + LAST)
}

/** Counts the entries of a word, or of all words with a beginning, up to `most`. */
export async function countWords(db: Kysely<Tables>, token: Token, most: number): Promise<number> {
  const { count } = await db
    .selectFrom(withToken(db, token).select('delivery_id').limit(most).as('some'))
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Returns the ids of the deliveries with a word, or with a beginning of one: at most `most` entries, by word. */
export async function idsWithWord(db: Kysely<Tables>, token: Token, most: number): Promise<string[]> {
  const query = withToken(db, token).select('delivery_id')
  const rows = await query.orderBy('token').orderBy('delivery_id').limit(most).execute()
  return [...new Set(rows.map(({ delivery_id }) => delivery_id))]
}

/** Returns the different words with a beginning; null if there are more than `most`. */
export async function differentWords(
  db: Kysely<Tables>,
  { text, isWhole }: Token,
  most: number,
): Promise<string[] | null> {
  if (isWhole) return [text]
  const found: string[] = []
  for (;;) {
    const after = found.at(-1)
    // With a second lower bound, SQLite reads all entries of the word before.
    const rest = db
      .selectFrom('search_words')
      .select('token')
      .where('token', '<=', text + LAST)
    const next = after === undefined ? rest.where('token', '>=', text) : rest.where('token', '>', after)
    const row = await next.orderBy('token').limit(1).executeTakeFirst()
    if (row === undefined) return found
    if (found.push(row.token) > most) return null
  }
}

/** Returns the latest `limit` deliveries with this word that were received before `before` (an id; null: all). */
export async function latestWithWord(
  db: Kysely<Tables>,
  { word, before, limit }: { word: string; before: string | null; limit: number },
): Promise<string[]> {
  let query = db.selectFrom('search_words').select('delivery_id').where('token', '=', word)
  if (before !== null) query = query.where('delivery_id', '<', before)
  const rows = await query.orderBy('delivery_id', 'desc').limit(limit).execute()
  return rows.map(({ delivery_id }) => delivery_id)
}
