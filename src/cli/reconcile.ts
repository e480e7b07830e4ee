import { modesFrom } from '../enroll/course-mode.ts'
import {
  type Finding,
  RECONCILED,
  type Reconciliation,
  reconcile as reconcileAll,
} from '../enroll/follow-up/reconcile.ts'
import { createBudget } from '../lms/client/budget.ts'
import { createLms } from '../lms/lms.ts'
import { countFound } from '../operators/find/search.ts'
import { totalOf } from '../operators/reports/counts.ts'
import { joinAsGuest } from '../queue/replicas/guest.ts'
import { STANDINGS } from '../sale/line.ts'
import { pause } from '../service/lib/loop.ts'
import { command, interruption } from './command.ts'
import { readFilter } from './delivery-options.ts'
import { readLmsSettings } from './lms.ts'
import { operator, withOperations } from './operations.ts'
import { plain, printJson } from './plain.ts'

/** How often a line tells how far it is, ms. */
const PROGRESS_MS = 3_000

export const reconcile = command({
  name: 'reconcile',
  options: {
    since: { type: 'string' },
    fix: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
  run: async ({ values }) => {
    const { from = null } = readFilter({ values: { since: values.since }, now: Date.now() })
    const signal = interruption()
    const settings = readLmsSettings()
    return withOperations(async (opened) => {
      const { context } = opened
      const range = { ...(from === null ? {} : { from }), states: [...RECONCILED] }
      const total = totalOf(await countFound(context.database.db, range))
      const guest = await joinAsGuest({ ...context, newName: () => `reconcile-${context.newId()}` })
      const { replicas } = guest
      const budget = createBudget({ callsPerMinute: settings.LERNITO_LMS_CALLS_PER_MINUTE, replicas })
      const lms = createLms({ settings, concurrency: () => 1 })
      const findings: Finding[] = []
      const began = performance.now()
      let [checked, calls] = [0, 0]
      // Also while the call budget makes it wait.
      const timer = setInterval(
        () => process.stderr.write(progressText({ checked, total, calls, ms: performance.now() - began })),
        PROGRESS_MS,
      )
      const acquire = () => {
        calls++
        return budget.acquire(signal)
      }
      try {
        const result = await reconcileAll({
          ...opened,
          lms,
          acquire,
          since: from,
          fix: values.fix,
          modeOf: modesFrom(settings.LERNITO_COURSE_MODE),
          by: operator(),
          signal,
          sleep: (ms) => pause(ms, signal),
          onFinding: (finding) => {
            if (values.json) findings.push(finding)
            else process.stdout.write(line(finding))
          },
          onProgress: (deliveries) => {
            checked = deliveries
          },
        })
        if (values.json) printJson({ ...result, findings })
        else if (result.failure === null || result.deliveries > 0) process.stdout.write(summary(result))
        if (result.failure !== null) {
          process.stderr.write(`The rest could not be checked in the LMS: ${result.failure.message}\n`)
        }
        return isComplete(result) && !signal.aborted ? 0 : 1
      } finally {
        clearInterval(timer)
        await lms.close()
        await guest.leave()
      }
    })
  },
})

/**
 * One line. What is left is estimated from the pace so far, and not before a first part is done. `ms`: since the start.
 */
export function progressText(of: { checked: number; total: number; calls: number; ms: number }): string {
  const { checked, total, calls, ms } = of
  const all = Math.max(checked, total) // more may have come meanwhile
  const left = checked === 0 ? '' : `, about ${durationText((ms / checked) * (all - checked))} left`
  return `deliveries done: ${checked} of ${all}, with ${calls} calls in ${durationText(ms)}${left}\n`
}

function durationText(ms: number): string {
  if (ms < 90_000) return `${Math.ceil(ms / 1000)} s`
  return ms < 5_400_000 ? `${Math.ceil(ms / 60_000)} min` : `${Math.ceil(ms / 3_600_000)} h`
}

function line({ deliveryId, email, course, standing, repairing }: Finding): string {
  return `${deliveryId}  ${standing}  ${plain(email)}  ${plain(course)}${repairing ? '  repair started' : ''}\n`
}

function summary({ deliveries, empty, counts, repairing }: Reconciliation): string {
  const found = [...STANDINGS, 'dangling' as const].flatMap((standing) => {
    const count = counts[standing] ?? 0
    return count > 0 ? [`${standing} ${count}`] : []
  })
  const fixed = repairing > 0 ? `; repairs started: ${repairing}` : ''
  const others = empty > 0 ? `, with nothing to check: ${empty}` : ''
  return `deliveries checked: ${deliveries}${others}; courses: ${found.join(', ') || 'none'}${fixed}\n`
}

const isComplete = ({ unrepaired, failure }: Reconciliation): boolean => failure === null && unrepaired === 0
