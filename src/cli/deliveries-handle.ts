import { parseOptions, usageError } from './command.ts'
import { noDelivery, operator, withOperations } from './operations.ts'

/** The command `deliveries handle`. */
export async function handleDelivery(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('deliveries', {
    args: [...args],
    allowPositionals: true,
    options: { note: { type: 'string' }, json: { type: 'boolean', default: false } },
  })
  const [id, ...more] = positionals
  const note = values.note?.trim() ?? ''
  if (id === undefined || more.length > 0 || note === '') {
    throw usageError('deliveries handle takes one ID and --note TEXT. See: lernito-openedx deliveries --help')
  }
  return withOperations(async ({ operations }) => {
    const { kind } = await operations.markHandled({ id: id.toUpperCase(), note, by: operator() })
    if (kind === 'unknown') return noDelivery(id)
    if (values.json) process.stdout.write(`${JSON.stringify({ id: id.toUpperCase(), result: kind })}\n`)
    else process.stdout.write(kind === 'handled' ? 'marked as handled\n' : 'nothing changed: it was handled before\n')
    return 0
  })
}
