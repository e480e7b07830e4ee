import { randomUUID } from 'node:crypto'
import { parseOptions, usageError } from './command.ts'
import { operator, withOperations } from './operations.ts'
import { plainJson } from './plain.ts'

/** The command `deliveries test-sale`. */
export async function sellTest(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('deliveries', {
    args: [...args],
    allowPositionals: true,
    options: {
      course: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
    },
  })
  const [email, ...more] = positionals
  if (email === undefined || more.length > 0 || values.course.length === 0) {
    throw usageError('deliveries test-sale takes one EMAIL and --course KEY. See: lernito-openedx deliveries --help')
  }
  return withOperations(async ({ operations }) => {
    const sold = await operations.testSale({ email, courseIds: values.course, nonce: randomUUID(), by: operator() })
    if (values.json) process.stdout.write(`${plainJson(sold)}\n`)
    else if (sold.kind === 'sold') process.stdout.write(`${sold.id} is due\n`)
    else process.stderr.write(`Nothing changed: the webhook refuses this sale: ${plainJson(sold.errors)}\n`)
    return sold.kind === 'sold' ? 0 : 1
  })
}
