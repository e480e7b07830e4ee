import { setImmediate } from 'node:timers/promises'
import type { DeliveryFilter } from '../operations/filter.ts'
import type { Operations, Summary } from '../operations/operations.ts'

const PAGE = 500
/** Excel takes a file without it for one in its own old code page. */
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
  ['reason', ({ outcome }) => outcome?.reason?.code ?? ''],
  ['reason_about', ({ outcome }) => outcome?.reason?.subject ?? ''],
]

/**
 * All that a filter finds, newest activity first, as CSV in UTF-8, read page by page: webhooks are served in between,
 * and nothing is read for a browser that has gone.
 */
export async function* csvPages({
  operations,
  filter,
}: {
  operations: Pick<Operations, 'list'>
  filter: DeliveryFilter
}) {
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
 * A spreadsheet runs what begins like a formula, also after white space, and the shop's fields are anybody's: such a
 * cell gets an apostrophe in front, which makes it text.
 */
export function cell(text: string): string {
  const harmless = /^[\s\p{Cc}]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/u.test(text) ? `'${text}` : text
  return `"${harmless.replaceAll('"', '""')}"`
}
