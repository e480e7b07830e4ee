import type { ForgottenPerson } from '../operators/changes/forget.ts'
import { isWholeAddress } from '../operators/find/people.ts'
import { forgetPerson } from '../service/forget.ts'
import { openLms } from '../service/lms.ts'
import { command, misused } from './command.ts'
import { operator, readLmsSettings, withOperations } from './operations.ts'

const EXIT_TRACES_LEFT = 3

export const forget = command({
  name: 'forget',
  summary: 'erase a person from the inbox',
  positionals: true,
  options: {
    lms: { type: 'boolean', default: false },
    compact: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
  run: async ({ values, positionals }) => {
    const [email, ...more] = positionals
    if (email === undefined || more.length > 0 || !isWholeAddress(email.trim())) {
      throw misused('forget', 'takes one e-mail address')
    }
    const settings = values.lms ? readLmsSettings() : null
    return withOperations(async ({ context, vacuum }) => {
      const calls = settings === null ? null : openLms(settings)
      try {
        const { compact, json } = values
        const result = await forgetPerson({ context, vacuum, email, by: operator(), compact, calls })
        process.stdout.write(json ? `${JSON.stringify(result)}\n` : describe(result))
        if (result.failure !== null) return 1
        return result.clean ? 0 : EXIT_TRACES_LEFT
      } finally {
        await calls?.lms.close()
      }
    })
  },
})

function describe({ deliveries, allowances, clean, failure }: ForgottenPerson): string {
  return [
    `${deliveries} ${deliveries === 1 ? 'delivery' : 'deliveries'} erased`,
    ...(allowances === null ? [] : [`${allowances} unused ${allowances === 1 ? 'allowance' : 'allowances'} deleted`]),
    ...(failure === null ? [] : [`The allowances could not be deleted: ${failure}. Repeat the command.`]),
    ...(clean
      ? []
      : ['Something of it can still be read in the free space of the file. Repeat the command with --compact.']),
  ]
    .map((line) => `${line}\n`)
    .join('')
}
