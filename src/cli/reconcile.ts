import { STANDINGS } from '../enrollment/reconcile.ts'
import { type Reconciled, type Reconciliation, reconcileAll } from '../enrollment/reconcile-all.ts'
import { noteRepair } from '../operations/replay.ts'
import { pause } from '../pause.ts'
import { openLms, partOfBudget } from '../service/lms.ts'
import { type Command, parseOptions } from './command.ts'
import { readFilter } from './delivery-options.ts'
import { operator, withOperations } from './operations.ts'
import { plain, plainJson } from './plain.ts'

/** Of the service's budget: it goes on enrolling meanwhile. */
const PART = 4
const PROGRESS_EVERY = 100

export const reconcile: Command = {
  name: 'reconcile',
  summary: 'ask the LMS whether what was reported as done still stands',
  help: `Asks the LMS about every delivery that succeeded: whether the buyer is enrolled, or is allowed to be. It changes
nothing, works beside a running service, and uses a quarter of LERNITO_LMS_CALLS_PER_MINUTE, so it takes a while: with
the default about 25 deliveries a minute.

Usage: lernito-openedx reconcile [--since T] [--fix [--allow EMAIL]...] [--json]

  --since T       only deliveries with activity since then: 7d, 12h, or a time such as 2026-01-31
  --fix           enrolls again the people who were reported as enrolled, have an account, and no enrollment row at
                  all, as after a restore of the LMS. An inactive row means that somebody unenrolled the person; that is
                  never touched.
  --allow EMAIL   with --fix, makes this person's allowance again, or enrolls the person who has registered since. The
                  allowance may have been deleted as the refund, so each has to be named. May be given several times.
  --json          a JSON object with all that does not stand

  missing             reported as enrolled; the person has an account and was never enrolled, as far as the LMS knows
  allowance_missing   reported as allowed; no enrollment, and no allowance that would make one
  unenrolled          somebody unenrolled the person in the LMS since
  account_gone        was enrolled, and no account has this address any more
  retired             the account was deleted at the person's wish
  other_account       the LMS takes the address for that of another account
  unclear             the LMS can't tell: more than 100 enrollments, or an address with a comma

The exit code is 0 if nothing is missing or all of it was repaired; 1 if something is missing, or the LMS could not be
asked to the end; 2 for wrong usage.

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
      const budget = partOfBudget({ settings, part: PART })
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
            if (deliveries % PROGRESS_EVERY === 0) process.stderr.write(`${deliveries} deliveries looked at\n`)
          },
        })
        process.stdout.write(values.json ? `${plainJson({ ...result, findings }, 2)}\n` : summary(result))
        if (result.failure !== null) {
          process.stderr.write(`The LMS could not be asked about the rest: ${result.failure.message}\n`)
        }
        return isWell(result) && !stop.signal.aborted ? 0 : 1
      } finally {
        await lms.close()
      }
    })
  },
}

function line({ deliveryId, email, course, standing, repaired, words }: Reconciled): string {
  const became = repaired === null ? '' : `  ${repaired ? 'repaired' : 'not repaired'}: ${plain(words)}`
  return `${deliveryId}  ${standing}  ${plain(email)}  ${plain(course)}${became}\n`
}

function summary({ deliveries, counts, repaired }: Reconciliation): string {
  const found = STANDINGS.filter((standing) => counts[standing] > 0).map(
    (standing) => `${standing} ${counts[standing]}`,
  )
  const mended = repaired > 0 ? `; repaired ${repaired}` : ''
  return `${deliveries} deliveries looked at; courses: ${found.join(', ') || 'none'}${mended}\n`
}

const isWell = ({ counts, repaired, failure }: Reconciliation): boolean =>
  failure === null && counts.missing + counts.allowance_missing === repaired
