import { withOperations } from '../cli/operations.ts'
import { columns, plain, plainJson, timeText } from '../cli/plain.ts'
import { reasonName } from '../delivery/reason-words.ts'
import type { Cause } from '../reports/causes.ts'

const HEAD = ['COUNT', 'STATE', 'REASON', 'COURSE', 'FIRST', 'LAST', 'NEWEST']

/** The option --group of `deliveries list`: what needs attention or was rejected, by reason and course. */
export function listCauses(json: boolean): Promise<number> {
  return withOperations(async ({ operations }) => {
    const { causes, isCut } = await operations.causes()
    if (json) process.stdout.write(causes.map((cause) => `${plainJson(cause)}\n`).join(''))
    else if (causes.length > 0) process.stdout.write(columns([HEAD, ...causes.map(line)]))
    if (isCut) process.stderr.write('There are more. These are the latest 5000 in each state.\n')
    if (causes.length === 0 && !json) process.stderr.write('No delivery needs attention, and none was rejected.\n')
    return 0
  })
}

function line({ count, state, code, course, firstAt, lastAt, examples: [newest = ''] }: Cause): string[] {
  return [`${count}`, state, reasonName(code), plain(course ?? '-'), timeText(firstAt), timeText(lastAt), newest]
}
