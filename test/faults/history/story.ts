import { names } from './faults.ts'
import type { Record } from './record.ts'
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
  const sales = record.sales.filter((sale) => sale.email === email)
  const lines = [
    ...record.notes.filter((one) => one.email === null || one.email === email),
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
    ...record.calls
      .filter((call) => names(call, email))
      .map(({ at, replica, method, path, body, fault }) => {
        const met = fault === null ? '' : `, which gets the fault: ${fault}`
        return { at, text: `${replica} calls ${method} ${path} ${body}${met}` }
      }),
    ...record.kept
      .filter((one) => one.email === email)
      .map(({ at, by, kind, course, beganAt }) => ({
        at,
        text: `the LMS commits, for the ${by}: ${kind} in ${course} (the call came ${at - beganAt} ms before)`,
      })),
  ].sort((a, b) => a.at - b.at)
  const began = Math.min(...sales.flatMap(({ sendings }) => sendings.map(({ sentAt }) => sentAt)))
  const told = lines.filter(({ at }) => at >= began).map(({ at, text }) => `  ${at - began} ms: ${text}`)
  const stored = sales.map(({ name }) => {
    const row = rows.get(name)
    return `  at the end ${name} is ${row === undefined ? 'not stored' : `${row.state} ${row.reason ?? ''}`}`
  })
  return [`${email}:`, ...told, ...stored].join('\n')
}
