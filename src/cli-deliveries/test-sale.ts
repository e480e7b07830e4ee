import { randomUUID } from 'node:crypto'
import { type Command, parseOptions, usageError } from '../cli/command.ts'
import { operator, withOperations } from '../cli/operations.ts'
import { plainJson } from '../cli/plain.ts'

export const testSale: Command = {
  name: 'test-sale',
  summary: 'make a sale of your own',
  help: `Stores a sale of your own, marked as a test. It takes the same way as a webhook,
and really enrolls the address. Withdraw it afterwards.

Usage: lernito-openedx deliveries test-sale EMAIL --course K... [--json]

  --course K     a course; repeat it for several courses
  --json         a JSON object

Example:
  lernito-openedx deliveries test-sale ada@example.com \\
    --course course-v1:edX+DemoX+Demo_Course
`,
  run: sellTest,
}

async function sellTest(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('deliveries test-sale', {
    args: [...args],
    allowPositionals: true,
    options: {
      course: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
    },
  })
  const [email, ...more] = positionals
  if (email === undefined || more.length > 0 || values.course.length === 0) {
    throw usageError(
      'deliveries test-sale takes one EMAIL and --course KEY. See: lernito-openedx deliveries test-sale --help',
    )
  }
  return withOperations(async ({ operations }) => {
    const sold = await operations.testSale({ email, courseIds: values.course, nonce: randomUUID(), by: operator() })
    if (values.json) process.stdout.write(`${plainJson(sold)}\n`)
    else if (sold.kind === 'sold') process.stdout.write(`${sold.id} is due\n`)
    else process.stderr.write(`Nothing changed: the webhook refuses this sale: ${plainJson(sold.errors)}\n`)
    return sold.kind === 'sold' ? 0 : 1
  })
}
