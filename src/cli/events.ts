import type { EndpointState, UnsentEvent } from '../queue/outbox/list-events.ts'
import { AppError } from '../service/lib/errors.ts'
import { createShopEvents, type SentAgain } from '../shop/events/shop-events.ts'
import { command, commandGroup, misused } from './command.ts'
import { listen } from './events-listen.ts'
import { type Opened, operator, withOperations } from './operations.ts'
import { columns, plain, plainJson, timeText } from './plain.ts'

const shopEventsOf = ({ context }: Opened) => createShopEvents({ context, guard: (work) => work(), publish: () => {} })

const HEAD = ['DELIVERY', 'EVENT', 'SINCE', 'ATTEMPTS', 'NEXT', 'LAST ERROR']

const list = command({
  name: 'list',
  parent: 'events',
  summary: 'show the events that the shop does not have yet',
  help: `Shows the state of the shop's endpoint, how many events wait and how many were
given up, and the oldest of them.

Usage: lernito-openedx events list [--json]

  --json         a JSON object

Example:
  lernito-openedx events list --json
`,
  options: { json: { type: 'boolean', default: false } },
  run: async ({ values }) => {
    return withOperations(async (opened) => {
      const outbox = await shopEventsOf(opened).read()
      if (values.json) {
        process.stdout.write(`${plainJson(outbox, 2)}\n`)
        return 0
      }
      if (opened.settings.LERNITO_EVENTS_URL === undefined)
        process.stderr.write('LERNITO_EVENTS_URL is not set: nothing is sent.\n')
      if (outbox.endpoint !== null) process.stdout.write(endpointText(outbox.endpoint))
      process.stdout.write(`waiting: ${outbox.pending}, given up: ${outbox.failed}\n`)
      if (outbox.events.length > 0) process.stdout.write(columns([HEAD, ...outbox.events.map(line)]))
      return 0
    })
  },
})

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

const resend = command({
  name: 'resend',
  parent: 'events',
  summary: 'send events again',
  help: `Sends events again. A running service sends what the command stores within a
second or two. An endpoint that answered 410 gets events again from then on.

Usage: lernito-openedx events resend ID... [--json]
       lernito-openedx events resend --failed [--json]

  ID             a delivery's id: the shop gets a new event with the state of
                 the delivery now
  --failed       events that were given up after three days, at most
                 1,000 at a time
  --json         a JSON object

Example:
  lernito-openedx events resend 01KG9YS7G00000C80981646AF3
`,
  positionals: true,
  options: { failed: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  run: async ({ values, positionals }) => {
    if (values.failed === positionals.length > 0) {
      throw misused('events resend', 'takes the ids of deliveries, or --failed')
    }
    return withOperations(async (opened) => {
      if (opened.settings.LERNITO_EVENTS_URL === undefined) {
        throw new AppError(
          'settings.invalid',
          'LERNITO_EVENTS_URL is not set, so the shop gets no events. Set it first.',
        )
      }
      const shopEvents = shopEventsOf(opened)
      const by = operator()
      if (values.failed) {
        const { events } = await shopEvents.sendFailedAgain({ by })
        process.stdout.write(values.json ? `${plainJson({ events })}\n` : `events that are sent again: ${events}\n`)
        return 0
      }
      const results: Record<string, SentAgain['kind']> = {}
      for (const id of positionals) results[id] = (await shopEvents.sendAgain({ id: id.toUpperCase(), by })).kind
      if (values.json) process.stdout.write(`${plainJson(results)}\n`)
      else for (const [id, kind] of Object.entries(results)) process.stdout.write(`${plain(id)}  ${TEXTS[kind]}\n`)
      return Object.values(results).every((kind) => kind === 'sent') ? 0 : 1
    })
  },
})

const TEXTS = {
  sent: 'the shop gets an event with its state',
  nothing: 'nothing to send: it is queued or handled',
  unknown: 'there is no such delivery',
} as const satisfies Record<SentAgain['kind'], string>

export const events = commandGroup({
  name: 'events',
  summary: 'list and resend the events for the shop; receive them in development',
  subcommands: [list, resend, listen],
  help: (listed) => `Shows the events that the shop does not have yet, sends events again, and
receives events in development. list and resend work with or without a running
service. Run them where the service runs, with the same settings.

Usage: lernito-openedx events SUBCOMMAND [ARGUMENTS]

${listed}
The exit code is 0 if everything was done, 1 if something was not, such as an
unknown id, 2 for wrong usage.

Example:
  lernito-openedx events list
`,
})
