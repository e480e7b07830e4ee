import { html } from 'ghtml'
import { listTable } from '../../layout/elements.ts'
import { agoHtml, numberText, withCodeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { CheckResult, ChecksRun } from '../../parts.ts'

const words = TEXTS.setup

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

function problemHtml({ status, message, fix }: CheckResult['problems'][number]): string {
  const tutor = fix.tutor === null ? '' : html`<p><strong>${words.tutor}</strong> !${withCodeHtml(fix.tutor)}</p>`
  return html`<div class="note ${status === 'failure' ? 'bad' : 'warning'}"><p>${message}</p>
<p><strong>${words.cure}</strong> !${withCodeHtml(fix.plain)}</p>!${tutor}</div>`
}
