import { type Command, parseOptions, usageError } from '../cli/command.ts'
import { noDelivery, operator, withOperations } from '../cli/operations.ts'

export const handle: Command = {
  name: 'handle',
  summary: 'record that you took care of a delivery',
  help: `Records that you took care of a delivery by other means, in any state. The
service makes no further attempt; the command ends when no call for the delivery
is in progress. A replay, or the same sale from the shop, starts it again.

Usage: lernito-openedx deliveries handle ID --note TEXT [--json]

  --note TEXT    what was done
  --json         a JSON object

Example:
  lernito-openedx deliveries handle 01KG9YS7G00000C80981646AF3 --note refunded
`,
  run: handleDelivery,
}

async function handleDelivery(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('deliveries handle', {
    args: [...args],
    allowPositionals: true,
    options: { note: { type: 'string' }, json: { type: 'boolean', default: false } },
  })
  const [id, ...more] = positionals
  const note = values.note?.trim() ?? ''
  if (id === undefined || more.length > 0 || note === '') {
    throw usageError('deliveries handle takes one ID and --note TEXT. See: lernito-openedx deliveries handle --help')
  }
  return withOperations(async ({ operations }) => {
    const { kind } = await operations.markHandled({ id: id.toUpperCase(), note, by: operator() })
    if (kind === 'unknown') return noDelivery(id)
    if (values.json) process.stdout.write(`${JSON.stringify({ id: id.toUpperCase(), result: kind })}\n`)
    else process.stdout.write(kind === 'handled' ? 'marked as handled\n' : 'nothing changed: it was handled before\n')
    return 0
  })
}
