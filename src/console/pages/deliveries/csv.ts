import { setImmediate } from 'node:timers/promises'
import type { Operations } from '../../../operators/changes/operations.ts'
import type { DeliveryFilter } from '../../../operators/find/filter.ts'
import type { Summary } from '../../../operators/find/listing.ts'

const PAGE = 500
/** Without it, Excel reads the file in its legacy code page. */
const BYTE_ORDER_MARK = '\ufeff'

const COLUMNS: readonly (readonly [name: string, of: (one: Summary) => string])[] = [
  ['id', ({ id }) => id],
  ['state', ({ state }) => state],
  ['email', ({ email }) => email ?? ''],
  ['username', ({ username }) => username ?? ''],
  ['courses', ({ courseIds }) => courseIds.join(' ')],
  ['received', ({ receivedAt }) => iso(receivedAt)],
  ['last_activity', ({ activeAt }) => iso(activeAt)],
  ['attempts', ({ attempts }) => String(attempts)],
  ['next_try', ({ dueAt }) => (dueAt === null ? '' : iso(dueAt))],
  [
    'done',
    ({ outcome }) =>
      Object.entries(outcome?.courses ?? {})
        .map(([key, result]) => `${key} ${result}`)
        .join(', '),
  ],
  ['source', ({ source }) => source],
  ['reason', ({ outcome }) => outcome?.reason?.code ?? ''],
  ['reason_about', ({ outcome }) => outcome?.reason?.subject ?? ''],
  ['webhook_id', ({ webhookId }) => webhookId ?? ''],
]

/**
 * Yields all deliveries that match a filter, newest activity first, as CSV in UTF-8. It reads page by page, so that the
 * service answers webhooks in between and stops reading when the browser disconnects.
 */
export async function* csvPages({ operations, filter }: { operations: Operations; filter: DeliveryFilter }) {
  yield BYTE_ORDER_MARK + line(COLUMNS.map(([name]) => name))
  for (let after: string | null = null; ; ) {
    const { items, next } = await operations.list({ filter, limit: PAGE, after })
    if (items.length > 0) yield items.map((one) => line(COLUMNS.map(([, of]) => of(one)))).join('')
    if (next === null) return
    after = next
    await setImmediate()
  }
}

const iso = (ms: number): string => new Date(ms).toISOString()

const line = (cells: readonly string[]): string => `${cells.map(cell).join(',')}\r\n`

/**
 * Quotes one cell. A spreadsheet runs a cell that begins like a formula, even after white space, and anyone can write
 * the shop's fields: an apostrophe in front makes such a cell text.
 */
export function cell(text: string): string {
  const escaped = /^[\s\p{Cc}]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/u.test(text) ? `'${text}` : text
  return `"${escaped.replaceAll('"', '""')}"`
}
