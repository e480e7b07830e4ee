import { createInterface } from 'node:readline/promises'
import { forgetPerson } from '../console/forget-person.ts'
import type { CallContext } from '../enroll/pair.ts'
import { isUnused } from '../lms/apis/enrollment-allowed.ts'
import { countForgettable, type ForgottenPerson } from '../operators/changes/forget.ts'
import { isWholeAddress } from '../operators/find/people.ts'
import { command, misused, onlyArgument, usageError } from './command.ts'
import { openLms, readLmsSettings } from './lms.ts'
import { operator, withOperations } from './operations.ts'
import { plain, printJson } from './plain.ts'

const EXIT_TRACES_LEFT = 3

export const forget = command({
  name: 'forget',
  positionals: true,
  options: {
    lms: { type: 'boolean', default: false },
    compact: { type: 'boolean', default: false },
    yes: { type: 'boolean', default: false },
    'dry-run': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
  run: async ({ values, positionals }) => {
    const email = onlyArgument('forget', 'one email address', positionals).trim()
    if (!isWholeAddress(email)) throw misused('forget', `takes one email address, and "${plain(email)}" is not one`)
    const { compact, json, 'dry-run': isDry } = values
    if (!values.yes && !isDry && !process.stdin.isTTY) {
      throw usageError(
        'forget erases for good, and there is nobody to ask. Repeat it with --yes, or with --dry-run to see what it would erase.',
      )
    }
    const settings = values.lms ? readLmsSettings() : null
    return withOperations(async (opened) => {
      const calls = settings === null ? null : openLms(settings)
      try {
        if (isDry || !values.yes) {
          const found = {
            deliveries: await countForgettable(opened.context, email),
            ...(await allowancesOf(calls, email)),
          }
          if (isDry) {
            if (json) printJson(found)
            else process.stdout.write(`${describeFound(found)} would be erased.\n`)
            return 'failure' in found ? 1 : 0
          }
          if (!(await isConfirmed(`${describeFound(found)} of ${email} will be erased for good. Continue?`))) {
            process.stderr.write('Nothing was erased.\n')
            return 1
          }
        }
        const result = await forgetPerson({ ...opened, email, by: operator(), compact, calls, onWait: tellWait })
        if (json) printJson(result)
        else process.stdout.write(describe(result))
        if (result.failure !== null) return 1
        return result.clean ? 0 : EXIT_TRACES_LEFT
      } finally {
        await calls?.lms.close()
      }
    })
  },
})

/** A script that reads the result doesn't want it. */
const tellWait = (): void =>
  void process.stderr.write(
    'The LMS may still carry out an earlier call for this person. Waiting until it no longer can: a minute after the last call.\n',
  )

/** What is there to erase. `allowances`: those in the LMS that no account has used; `failure`: why they can't be counted. */
interface Forgettable {
  readonly deliveries: number
  readonly allowances?: number
  readonly failure?: string
}

async function allowancesOf(calls: CallContext | null, email: string): Promise<Omit<Forgettable, 'deliveries'>> {
  if (calls === null) return {}
  const listed = await calls.lms.allowances(await calls.acquire(), { email })
  return listed.ok ? { allowances: listed.value.filter(isUnused).length } : { failure: listed.failure.message }
}

function describeFound({ deliveries, allowances, failure }: Forgettable): string {
  const inLms =
    failure !== undefined
      ? `and the unused allowances in the LMS, which can't be counted now (${failure}),`
      : `and ${unusedAllowances(allowances ?? 0)} in the LMS`
  return [deliveryCount(deliveries), ...(failure === undefined && allowances === undefined ? [] : [inLms])].join(' ')
}

/** Asks at the terminal, on standard error because standard output may be a file. Ctrl-C and Ctrl-D mean no. */
async function isConfirmed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim())
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'AbortError') throw error
    process.stderr.write('\n') // after the question
    return false
  } finally {
    terminal.close()
  }
}

const deliveryCount = (count: number): string => `${count} ${count === 1 ? 'delivery' : 'deliveries'}`
const unusedAllowances = (count: number): string => `${count} unused ${count === 1 ? 'allowance' : 'allowances'}`

function describe({ deliveries, allowances, clean, failure }: ForgottenPerson): string {
  return [
    `${deliveryCount(deliveries)} erased`,
    ...(allowances === null ? [] : [`${unusedAllowances(allowances)} deleted`]),
    ...(failure === null ? [] : [`The allowances could not be deleted: ${failure}. Repeat the command.`]),
    ...(clean
      ? []
      : ['Some of it can still be read in the free space of the file. Repeat the command with --compact.']),
  ]
    .map((line) => `${line}\n`)
    .join('')
}
