import { AppError } from '../../service/lib/errors.ts'
import { createShopEvents, type SentAgain } from '../../shop/events/shop-events.ts'
import { type Command, parseOptions, usageError } from '../command.ts'
import { operator, withOperations } from '../operations.ts'
import { plain, plainJson } from '../plain.ts'

export const resend: Command = {
  name: 'resend',
  summary: 'send events again',
  help: `Sends events again. A running service sends what the command stores within a
second or two. An endpoint that answered 410 gets events again from then on.

Usage: lernito-openedx events resend ID... [--json]
       lernito-openedx events resend --failed [--json]

  ID             a delivery's id: the shop gets a new event with the state of
                 the delivery now
  --failed       all events that were given up after three days
  --json         a JSON object

Example:
  lernito-openedx events resend 01KG9YS7G00000C80981646AF3
`,
  run: resendEvents,
}

async function resendEvents(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('events resend', {
    args: [...args],
    allowPositionals: true,
    options: { failed: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  })
  if (values.failed === positionals.length > 0) {
    throw usageError(
      'events resend takes the ids of deliveries, or --failed. See: lernito-openedx events resend --help',
    )
  }
  return withOperations(async ({ context, settings }) => {
    if (settings.LERNITO_EVENTS_URL === undefined) {
      throw new AppError('settings.invalid', 'LERNITO_EVENTS_URL is not set, so the shop gets no events. Set it first.')
    }
    const shopEvents = createShopEvents({ context, guard: (work) => work(), publish: () => {} })
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
}

const TEXTS = {
  sent: 'the shop gets an event with its state',
  nothing: 'nothing to send: it is queued or handled',
  unknown: 'there is no such delivery',
} as const satisfies Record<SentAgain['kind'], string>
