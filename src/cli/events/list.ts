import type { EndpointState, UnsentEvent } from '../../queue/outbox/list-events.ts'
import { createShopEvents } from '../../shop/events/shop-events.ts'
import { type Command, parseOptions } from '../command.ts'
import { withOperations } from '../operations.ts'
import { columns, plain, plainJson, timeText } from '../plain.ts'

const HEAD = ['DELIVERY', 'EVENT', 'SINCE', 'ATTEMPTS', 'NEXT', 'LAST ERROR']

export const list: Command = {
  name: 'list',
  summary: 'show the events that the shop does not have yet',
  help: `Shows the state of the shop's endpoint, how many events wait and how many were
given up, and the oldest of them.

Usage: lernito-openedx events list [--json]

  --json         a JSON object

Example:
  lernito-openedx events list --json
`,
  run: listEvents,
}

async function listEvents(args: readonly string[]): Promise<number> {
  const { values } = parseOptions('events list', {
    args: [...args],
    options: { json: { type: 'boolean', default: false } },
  })
  return withOperations(async ({ context, settings }) => {
    const outbox = await createShopEvents({ context, guard: (work) => work(), publish: () => {} }).read()
    if (values.json) {
      process.stdout.write(`${plainJson(outbox, 2)}\n`)
      return 0
    }
    if (settings.LERNITO_EVENTS_URL === undefined)
      process.stderr.write('LERNITO_EVENTS_URL is not set: nothing is sent.\n')
    if (outbox.endpoint !== null) process.stdout.write(endpointText(outbox.endpoint))
    process.stdout.write(`waiting: ${outbox.pending}, given up: ${outbox.failed}\n`)
    if (outbox.events.length > 0) process.stdout.write(columns([HEAD, ...outbox.events.map(line)]))
    return 0
  })
}

const STATES = {
  up: 'works',
  down: 'fails; one event at a time is tried',
  gone: 'answered 410 and gets no events until you run: lernito-openedx events resend --failed',
} as const satisfies Record<EndpointState['state'], string>

function endpointText({ state, since, error, errorAt, sentAt }: EndpointState): string {
  const from = since === null ? '' : ` (since ${timeText(since)})`
  const sent = sentAt === null ? '' : `last accepted: ${timeText(sentAt)}\n`
  const last = error === null || errorAt === null ? '' : `last error: ${plain(error)} (${timeText(errorAt)})\n`
  return `the endpoint ${STATES[state]}${from}\n${sent}${last}`
}

function line({ deliveryId, type, createdAt, attempts, dueAt, failedAt, error }: UnsentEvent): string[] {
  const next = failedAt === null ? timeText(dueAt) : 'given up'
  return [deliveryId, type, timeText(createdAt), `${attempts}`, next, plain(error ?? '')]
}
