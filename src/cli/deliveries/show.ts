import type { Shown } from '../../operators/changes/operations.ts'
import { type GivenAnswer, type GivenAnswers, REQUEST_WORDS } from '../../queue/shop-answers.ts'
import { describeWithdrawal, type Withdrawal } from '../../queue/withdrawal-row.ts'
import type { DeliveryEvent } from '../../sale/types.ts'
import { describeOutcome, describeStandings, formText } from '../../sale/words.ts'
import { type Command, parseOptions, usageError } from '../command.ts'
import { noDelivery, withOperations } from '../operations.ts'
import { columns, eventText, plain, plainJson, timeText } from '../plain.ts'

export const show: Command = {
  name: 'show',
  summary: 'show one delivery',
  help: `Shows one delivery with its payload, its outcome, what the shop was
answered, and its timeline.

Usage: lernito-openedx deliveries show ID [--json]

  --json         a JSON object

Example:
  lernito-openedx deliveries show 01KG9YS7G00000C80981646AF3
`,
  run: showDelivery,
}

async function showDelivery(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('deliveries show', {
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  })
  const [id, ...more] = positionals
  if (id === undefined || more.length > 0) {
    throw usageError('deliveries show takes one ID. See: lernito-openedx deliveries show --help')
  }
  return withOperations(async ({ operations }) => {
    const shown = await operations.show(id.toUpperCase())
    if (shown === null) return noDelivery(id)
    const timeline = await operations.timeline(shown.id)
    const withdrawals = await operations.withdrawals(shown.id)
    const answers = await operations.answers(shown.id)
    const body = Buffer.from(shown.body).toString()
    process.stdout.write(
      values.json
        ? `${plainJson({ ...shown, body, timeline, answers, withdrawals }, 2)}\n`
        : describe({ shown, body, timeline, answers, withdrawals }),
    )
    return 0
  })
}

function describe({
  shown,
  body,
  timeline,
  answers,
  withdrawals,
}: {
  shown: Shown
  body: string
  timeline: readonly DeliveryEvent[]
  answers: GivenAnswers
  withdrawals: readonly Withdrawal[]
}): string {
  const { request, outcome, unreadable } = shown
  const checkedAt = Object.values(shown.standings)
    .map((one) => one.checkedAt)
    .sort()[0]
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
    ['in the LMS', describeStandings(shown.standings) || null],
    ['checked', checkedAt === undefined ? null : timeText(checkedAt)],
    ['unreadable', unreadable],
    ['replaces', shown.replaces],
    ['replaced by', shown.replacedBy],
    ['withdrawal', withdrawals.map(describeOrder).join('; ') || null],
    ...source(shown),
    ['webhook-id', shown.webhookId],
    ['payload', body.replace(/\s+/g, ' ')],
  ]
  const rows = facts.flatMap(([name, text]) => (text === null ? [] : [[name, plain(text)]]))
  const events = timeline.map((event) => [timeText(event.at), event.kind, eventText(event)])
  return [rows, describeAnswers(answers), events]
    .map(columns)
    .filter((text) => text !== '')
    .join('\n')
}

const source = ({ source: from, form }: Shown): [string, string][] =>
  from === 'shop' ? [['signed text', formText(form)]] : [['source', from]]

function describeAnswers({ first, omitted, last }: GivenAnswers): string[][] {
  const line = ({ at, to, status, ms }: GivenAnswer): string[] => [
    timeText(at),
    status === null ? 'hung up' : `answered ${status}`,
    `to ${REQUEST_WORDS[to]}, after ${ms} ms`,
  ]
  const gap = omitted === 0 ? [] : [['...', `${omitted} more`, '']]
  return [...first.map(line), ...gap, ...last.map(line)]
}

/** The progress of a withdrawal. */
function describeOrder({ by, isRefund, endedAt, dueAt, result }: Withdrawal): string {
  const found = result === null ? '' : `: ${describeWithdrawal(result)}`
  const from = isRefund ? 'refund from the shop' : `requested by ${by}`
  return endedAt === null
    ? `${from}, next attempt ${timeText(dueAt)}${found}`
    : `${from}, ended ${timeText(endedAt)}${found}`
}
