import { html } from 'ghtml'
import { agoHtml, numberText, withCodeHtml } from '../../layout/format.ts'
import { listTable } from '../../layout/list-table.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.setup

/** What a check of doctor found. `tutor`: the cure at an installation with Tutor, if it is another one. */
interface Result {
  readonly id: string
  readonly about: string
  readonly status: 'ok' | 'warning' | 'failure' | 'skipped'
  readonly detail: string | null
  readonly problems: readonly {
    readonly status: 'warning' | 'failure'
    readonly message: string
    readonly fix: { readonly plain: string; readonly tutor: string | null }
  }[]
}

/** When the checks ended (ms since 1970), and what they found. */
export interface ChecksRun {
  readonly at: number
  readonly results: readonly Result[]
}

/** The checks of doctor, run by the service. */
export interface Checks {
  /** Runs all checks, or joins the run in progress. Takes 15 s at most. */
  readonly run: () => Promise<ChecksRun>
  /** The latest run of this process; null: none has ended. */
  readonly last: () => ChecksRun | null
}

const STATUSES = ['failure', 'warning', 'ok', 'skipped'] as const

/** Returns what the checks found: each problem with its cure, and below them all checks. */
export function checksHtml({ at, results }: ChecksRun): string {
  const counts = STATUSES.flatMap((status) => {
    const count = results.filter((one) => one.status === status).length
    return count === 0 ? [] : [fill(words.counts[status], { count: numberText(count) })]
  })
  const found = results.flatMap(({ problems }) => problems)
  const problems = found.toSorted((a, b) => STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status))
  const rows = results.map(({ id, about, status, detail, problems: own }) => [
    html`<code>${id}</code>`,
    html`<div>${detail ?? (own.length > 0 ? own.map(({ message }) => message).join(' ') : about)}</div>`,
    html`<span class="check ${status}">${words.statuses[status]}</span>`,
  ])
  return html`<p role="status">${counts.join(', ')}. <span class="quiet">${words.checked} !${agoHtml(at)}</span></p>
!${problems.map(problemHtml).join('')}
<details class="more"><summary>${words.all}</summary>!${listTable({ columns: words.columns, rows })}</details>`
}

function problemHtml({ status, message, fix }: Result['problems'][number]): string {
  const tutor = fix.tutor === null ? '' : html`<p><strong>${words.tutor}</strong> !${withCodeHtml(fix.tutor)}</p>`
  return html`<div class="note ${status === 'failure' ? 'bad' : 'warning'}"><p>${message}</p>
<p><strong>${words.cure}</strong> !${withCodeHtml(fix.plain)}</p>!${tutor}</div>`
}
