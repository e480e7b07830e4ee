import { STANDINGS } from '../enrollment/reconcile.ts'
import { type Reconciled, type Reconciliation, reconcileAll } from '../enrollment/reconcile-all.ts'
import { noteRepair } from '../operations/replay.ts'
import { pause } from '../pause.ts'
import { openLms, partOfBudget } from '../service/lms.ts'
import { type Command, parseOptions } from './command.ts'
import { readFilter } from './delivery-options.ts'
import { operator, withOperations } from './operations.ts'
import { plain, plainJson } from './plain.ts'

/** A quarter of the service's call budget: the service continues to enroll meanwhile. */
const BUDGET_PART = 4
const PROGRESS_EVERY = 100

export const reconcile: Command = {
  name: 'reconcile',
  summary: 'check in the LMS that reported enrollments still stand',
  help: `Checks every delivery that is enrolled or pre-enrolled: is the buyer still enrolled in the LMS, or still has an allowance? It changes
nothing without --fix, works beside a running service, and uses a quarter of LERNITO_LMS_CALLS_PER_MINUTE. With the
default that is about 25 deliveries a minute.

Usage: lernito-openedx reconcile [--since T] [--fix [--allow EMAIL]...] [--json]

  --since T       only deliveries that were active at T or later: 7d or 12h ago, or a time such as 2026-01-31
  --fix           enroll the people again who were reported as enrolled and have an account, but no enrollment row at
                  all, as after a restore of the LMS. An inactive row means that the person was unenrolled; the command
                  never changes one.
  --allow EMAIL   with --fix, create this person's allowance again, or enroll the person if they have registered since.
                  The allowance may have been deleted as a refund, so name each person. Repeat it for several people.
  --json          a JSON object with everything that doesn't stand

  missing             reported as enrolled; the person has an account, and the LMS has no enrollment row
  allowance_missing   reported as allowed; the LMS has neither an enrollment nor an unused allowance
  unenrolled          the person was unenrolled in the LMS since
  account_gone        the person was enrolled, and no account has this address any more
  retired             the account was retired at the person's request
  other_account       the LMS matches the address to an account with another address
  unclear             the LMS can't tell: more than 100 enrollments, or an address with a comma

The exit code is 0 if nothing is missing or everything was repaired; 1 if something is missing, or if the check of the
LMS could not be completed; 2 for wrong usage.

Example:
  lernito-openedx reconcile --since 7d
`,
  run: async (args) => {
    const { values } = parseOptions('reconcile', {
      args: [...args],
      options: {
        since: { type: 'string' },
        fix: { type: 'boolean', default: false },
        allow: { type: 'string', multiple: true, default: [] },
        json: { type: 'boolean', default: false },
      },
    })
    const { from = null } = readFilter({ values: { since: values.since }, now: Date.now() })
    const stop = new AbortController()
    process.once('SIGINT', () => stop.abort())
    return withOperations(async ({ operations, context, settings }) => {
      const { lms } = openLms(settings)
      const budget = partOfBudget({ settings, part: BUDGET_PART })
      const findings: Reconciled[] = []
      try {
        const result = await reconcileAll({
          operations,
          lms,
          acquire: () => budget.acquire(stop.signal),
          since: from,
          fix: values.fix,
          named: new Set(values.allow.map((email) => email.toLowerCase())),
          signal: stop.signal,
          sleep: (ms) => pause(ms, stop.signal),
          onFinding: async (finding) => {
            if (finding.repaired) await noteRepair(context, { id: finding.deliveryId, by: operator(), ...finding })
            if (values.json) findings.push(finding)
            else process.stdout.write(line(finding))
          },
          onProgress: (deliveries) => {
            if (deliveries % PROGRESS_EVERY === 0) process.stderr.write(`${deliveries} deliveries checked\n`)
          },
        })
        process.stdout.write(values.json ? `${plainJson({ ...result, findings }, 2)}\n` : summary(result))
        if (result.failure !== null) {
          process.stderr.write(`The rest could not be checked in the LMS: ${result.failure.message}\n`)
        }
        return isComplete(result) && !stop.signal.aborted ? 0 : 1
      } finally {
        await lms.close()
      }
    })
  },
}

function line({ deliveryId, email, course, standing, repaired, words }: Reconciled): string {
  const result = repaired === null ? '' : `  ${repaired ? 'repaired' : 'not repaired'}: ${plain(words)}`
  return `${deliveryId}  ${standing}  ${plain(email)}  ${plain(course)}${result}\n`
}

function summary({ deliveries, counts, repaired }: Reconciliation): string {
  const found = STANDINGS.filter((standing) => counts[standing] > 0).map(
    (standing) => `${standing} ${counts[standing]}`,
  )
  const fixed = repaired > 0 ? `; repaired ${repaired}` : ''
  return `${deliveries} deliveries checked; courses: ${found.join(', ') || 'none'}${fixed}\n`
}

const isComplete = ({ counts, repaired, failure }: Reconciliation): boolean =>
  failure === null && counts.missing + counts.allowance_missing === repaired
