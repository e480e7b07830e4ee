import { html } from 'ghtml'
import { listTable } from '../../layout/elements.ts'
import { agoHtml, fillCount, withCodeHtml } from '../../layout/format.ts'
import { TEXTS } from '../../layout/texts.ts'
import type { ChecksRun } from '../../parts.ts'

const words = TEXTS.checks
/** Of checks, the most urgent first. */
const STATUSES = ['failure', 'warning', 'ok', 'skipped'] as const

/** Returns how many checks found what: “1 problem, 7 fine, 16 skipped. Checked 1 min ago”. */
export function countsHtml({ at, results }: ChecksRun): string {
  const counts = STATUSES.flatMap((status) => {
    const count = results.filter((one) => one.status === status).length
    if (count === 0 && status !== 'failure') return []
    return [fillCount(words.counts[status], count)]
  })
  return html`${counts.join(', ')}. <span class="quiet">${words.checked} !${agoHtml(at)}.</span>`
}

/** Returns what the checks found: each problem with its cure, and below them all checks. */
export function checksHtml(run: ChecksRun): string {
  const found = run.results.flatMap(({ problems }) => problems)
  const problems = found.toSorted((a, b) => STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status))
  const rows = run.results.map(({ id, about, status, detail, problems: own }) => [
    html`<code class="check-id">${id}</code>`,
    html`<div>${detail ?? (own.length > 0 ? own.map(({ message }) => message).join(' ') : about)}</div>`,
    html`<span class="check ${status}">${words.statuses[status]}</span>`,
  ])
  return html`<h2>${words.title}</h2><p>${words.intro}</p><p role="status">!${countsHtml(run)}</p>
!${problems.map(problemHtml).join('')}
<details class="more"><summary>${words.all}</summary>!${listTable({ columns: words.columns, rows })}</details>`
}

function problemHtml({ status, message, fix }: ChecksRun['results'][number]['problems'][number]): string {
  const tutor = fix.tutor === null ? '' : html`<p><strong>${words.tutor}</strong> !${withCodeHtml(fix.tutor)}</p>`
  return html`<div class="note ${status === 'failure' ? 'bad' : 'warning'}"><p>${message}</p>
<p><strong>${words.cure}</strong> !${withCodeHtml(fix.plain)}</p>!${tutor}</div>`
}
