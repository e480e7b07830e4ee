import { describeOutcome } from '../delivery/describe.ts'
import type { DeliveryEvent } from '../delivery/types.ts'
import type { Shown } from '../operations/operations.ts'
import { parseOptions, usageError } from './command.ts'
import { withOperations } from './operations.ts'
import { columns, plain, plainJson, timeText } from './plain.ts'

/** The command `deliveries show`. */
export async function showDelivery(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('deliveries', {
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  })
  const [id, ...more] = positionals
  if (id === undefined || more.length > 0) {
    throw usageError('deliveries show takes one ID. See: lernito-openedx deliveries --help')
  }
  return withOperations(async ({ operations }) => {
    const shown = await operations.show(id.toUpperCase())
    if (shown === null) {
      process.stderr.write(`There is no delivery ${plain(id)}. Find it with: lernito-openedx deliveries list SEARCH\n`)
      return 1
    }
    const timeline = await operations.timeline(shown.id)
    const body = Buffer.from(shown.body).toString()
    process.stdout.write(
      values.json ? `${plainJson({ ...shown, body, timeline }, 2)}\n` : describe({ shown, body, timeline }),
    )
    return 0
  })
}

function describe({
  shown,
  body,
  timeline,
}: {
  shown: Shown
  body: string
  timeline: readonly DeliveryEvent[]
}): string {
  const { request, outcome, unreadable } = shown
  const facts: [string, string | null][] = [
    ['delivery', shown.id],
    ['state', shown.state],
    ['received', timeText(shown.receivedAt)],
    ['last active', timeText(shown.activeAt)],
    ['next attempt', shown.dueAt === null ? null : timeText(shown.dueAt)],
    ['failed attempts', `${shown.attempts}`],
    ['e-mail', request?.email ?? null],
    ['name', request === null ? null : `${request.name} ${request.family}`],
    ['username', request?.username ?? null],
    ['courses', request === null ? null : request.courseIds.join(', ')],
    ['outcome', outcome === null ? null : describeOutcome(outcome) || 'none yet'],
    ['unreadable', unreadable],
    ['signed over', shown.form],
    ['webhook-id', shown.webhookId],
    ['payload', body.replace(/\s+/g, ' ')],
  ]
  const rows = facts.flatMap(([name, text]) => (text === null ? [] : [[name, plain(text)]]))
  const events = timeline.map(({ at, kind, detail, actor }) => {
    return [
      timeText(at),
      kind,
      plain([detail, actor === null ? '' : `by ${actor}`].filter((text) => text !== '').join(', ')),
    ]
  })
  return `${columns(rows)}\n${columns(events)}`
}
