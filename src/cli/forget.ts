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
  help: `Erases what the inbox knows of a person: the deliveries of this address in every
state, with their events, and rejected deliveries that mention it. Deliveries
that wait are not attempted any more. While a refund or a withdrawal for the
person is still to be carried out, the command erases nothing and names its
deliveries, because the person would otherwise stay in the course. You can run
the command beside the service. In a SQLite database, nothing of the person can
be read in the files afterwards; in MySQL, the rows are deleted. Backups and
logs are not changed. docs/explanation/privacy.md has more.

Usage: lernito-openedx forget EMAIL [--lms] [--compact] [--json]

  --lms        also delete the LMS's unused allowances for the address, which
               would enroll the person when they register. Enrollments belong to
               the account, which the LMS retires.
  --compact    rewrite a SQLite file of more than 64 MiB if something can still
               be read in it. Meanwhile webhooks get no answer: about a second
               for each 100 MB.
  --json       a JSON object

The exit code is
  0  done, or there was nothing to do
  1  not done, or only in part: repeat the command, after a refund or a
     withdrawal that it names has ended
  2  wrong usage
  3  the person is erased, but something can still be read in the free space of
     a large file: repeat it with --compact

In Open edX's retirement pipeline, call the command with the learner's original
address and --lms. If you compact at night, let the pipeline accept 3 as done.

Example:
  lernito-openedx forget ada@example.com --lms
`,
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
