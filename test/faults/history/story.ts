import { names } from './faults.ts'
import { buyerOf, type Called, personAt, type Record } from './record.ts'
import type { Row } from './shop.ts'

/** Returns the history of one person and of the replicas at that time, in order, as a text. */
export function storyOf({
  record,
  rows,
  email,
}: {
  record: Record
  rows: ReadonlyMap<string, Row>
  email: string
}): string {
  const sales = record.sales.filter((sale) => sale.email === email || buyerOf(record, sale) === email)
  const changes = record.kept.filter((one) => one.email === email || personAt(record, one.email, one.at) === email)
  const lines = [
    ...record.notes.filter(
      (one) => one.email === null || one.email === email || personAt(record, one.email, 0) === email,
    ),
    ...sales.flatMap(({ name, courses, sendings }) =>
      sendings.flatMap(({ sentAt, replica, answeredAt, status }, i) => [
        { at: sentAt, text: `${i === 0 ? 'sale' : 'repeat'} ${name} of ${courses.join(', ')} sent to ${replica}` },
        {
          at: answeredAt ?? Number.POSITIVE_INFINITY,
          text: `${name} ${status === null ? 'got no answer' : `answered ${status}`}`,
        },
      ]),
    ),
    ...sales.flatMap(({ name, storedAt: at }) =>
      at === null ? [] : [{ at, text: `${name} is seen in the database` }],
    ),
    ...firstOfEach(record.calls.filter((call) => names(call, email))).map(
      ({ at, replica, method, path, body, fault }) => {
        const met = fault === null ? '' : `, which gets the fault: ${fault}`
        return { at, text: `${replica} calls ${method} ${path} ${body}${met}` }
      },
    ),
    ...changes.map(({ at, by, kind, email: address, course, beganAt }) => ({
      at,
      text: `the LMS commits, for the ${by}: ${kind} in ${course}, ${address} (the call came ${at - beganAt} ms before)`,
    })),
  ].sort((a, b) => a.at - b.at)
  const sent = sales.flatMap(({ sendings }) => sendings.map(({ sentAt }) => sentAt))
  const changed = changes.map(({ at }) => at)
  const began = Math.min(...(sent.length > 0 ? sent : changed))
  const told = lines.filter(({ at }) => at >= began).map(({ at, text }) => `  ${at - began} ms: ${text}`)
  const stored = sales.map(({ name }) => {
    const row = rows.get(name)
    return `  at the end ${name} is ${row === undefined ? 'not stored' : `${row.state} ${row.reason ?? ''}`}`
  })
  return [`${email}:`, ...told, ...stored].join('\n')
}

/** Without look-ups in the same words as one before: the follow-up asks for the same people in each round. */
function firstOfEach(calls: readonly Called[]): Called[] {
  const asked = new Set<string>()
  return calls.filter(({ replica, path, body }) => {
    if (!path.endsWith('/search_emails')) return true
    const text = `${replica} ${body}`
    return !asked.has(text) && asked.add(text)
  })
}
