import type { Db } from '../../database/schema.ts'
import { emailTerm, fold } from '../../queue/search-terms.ts'
import { type Summary, summaries } from './listing.ts'
import { search } from './search.ts'

const SIMILAR_MAX = 4
/** How many of the newest deliveries that a text finds are looked at. */
const COMPARED = 200
/** Each look through the texts of the list stops after this time, ms: an operator waits, and there are up to four. */
const WITHIN_MS = 60
/** Shorter words, such as initials, are in too many names. */
const WORD = /\p{L}{3,}/gu

/** The texts to search for, the most telling first, and the part after the @. */
export function textsLike(email: string): { readonly texts: readonly string[]; readonly domain: string } {
  const at = email.lastIndexOf('@')
  const [local, domain] = [fold(email.slice(0, at)), fold(email.slice(at + 1))]
  const own = local.match(WORD) ?? []
  const all = [...own, ...(domain.replace(/\.[^.]*$/, '').match(WORD) ?? [])]
  // A first name alone says nothing. The same name before the @ does, unless it is as short as “info”.
  const words = [all, own].filter((some) => some.length > 1).map((some) => some.join(' '))
  return { texts: [...new Set(words), ...(local.length > 4 ? [`${local}@`] : [])], domain }
}

/** How many letters two texts have in common at their start, and how many of the others at their end. */
export function commonEnds(a: string, b: string): { start: number; end: number } {
  const most = Math.min(a.length, b.length)
  let [start, end] = [0, 0]
  while (start < most && a[start] === b[start]) start++
  while (end < most - start && a.at(-1 - end) === b.at(-1 - end)) end++
  return { start, end }
}

/** Whether two texts differ in one place alone, by at most two letters: a letter too much, another one, or two swapped. */
export function isNear(a: string, b: string): boolean {
  const { start, end } = commonEnds(a, b)
  return Math.max(a.length, b.length) - start - end <= 2
}

/**
 * Finds sales to addresses under which the owner of this one may have bought: with the same words in the name or the
 * address, with the same part before the @, or at the same domain with a typing error. Newest first of each kind, one for
 * each address, at most four.
 */
export async function similarBuyers(db: Db, email: string): Promise<readonly Summary[]> {
  const { texts, domain } = textsLike(email)
  const found = new Map<string, string>()
  const add = async (find: string, isLike: (address: string) => boolean): Promise<void> => {
    if (found.size >= SIMILAR_MAX) return
    const matches = await search(db, { filter: { find }, after: null, limit: COMPARED, withinMs: WITHIN_MS })
    for (const { id, address } of await addressesOf(
      db,
      matches.found.map((one) => one.id),
    )) {
      const isNew = !found.has(address) && address !== emailTerm(email)
      if (isNew && isLike(address) && found.size < SIMILAR_MAX) found.set(address, id)
    }
  }
  for (const text of texts) await add(text, () => true)
  await add(`@${domain}`, (address) => isNear(fold(address), fold(email)))
  return summaries(db, [...found.values()])
}

/** The addresses of these deliveries as they are stored, in this order, without those that have none. */
async function addressesOf(db: Db, ids: readonly string[]) {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('deliveries').select(['id', 'email']).where('id', 'in', ids).execute()
  const byId = new Map(rows.map((row) => [row.id, row.email]))
  return ids.flatMap((id) => {
    const address = byId.get(id) ?? null
    return address === null || !address.includes('@') ? [] : [{ id, address }]
  })
}
