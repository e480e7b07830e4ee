import { AppError } from '../errors.ts'
import type { SentAgain } from '../outbox/send-again.ts'
import { createShopEvents } from '../outbox/shop-events.ts'
import { parseOptions, usageError } from './command.ts'
import { operator, withOperations } from './operations.ts'
import { plain, plainJson } from './plain.ts'

/** The command `events resend`. */
export async function resendEvents(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('events', {
    args: [...args],
    allowPositionals: true,
    options: { failed: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  })
  if (values.failed === positionals.length > 0) {
    throw usageError('events resend takes the ids of deliveries, or --failed. See: lernito-openedx events --help')
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
