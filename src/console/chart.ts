import { html } from 'ghtml'
import { numberText } from '../console-layout/format.ts'
import { TEXTS } from '../console-layout/texts.ts'
import type { DayCounts } from '../operations/operations.ts'

const WIDTH = 720
const HEIGHT = 210
const LEFT = 64
const TOP = 20
const BOTTOM = 28
const PLOT = HEIGHT - TOP - BOTTOM

const SERIES = [
  { name: 'received', of: (day: DayCounts) => day.received },
  { name: 'enrolled', of: (day: DayCounts) => day.enrolled },
  { name: 'preEnrolled', of: (day: DayCounts) => day.preEnrolled },
  { name: 'attention', of: (day: DayCounts) => day.needsAttention },
] as const

/**
 * Draws bars for each day on the server, so that they show without a script. The table below has the same numbers for
 * readers who can't see the bars.
 */
export function chartHtml(days: readonly DayCounts[]): string {
  const top = niceTop(Math.max(1, ...days.flatMap((day) => SERIES.map(({ of }) => of(day)))))
  const step = (WIDTH - LEFT) / Math.max(1, days.length)
  const bar = (step * 0.8) / SERIES.length
  const y = (value: number): number => TOP + PLOT * (1 - value / top)
  const lines = [0, top / 2, top].map(
    (value) => html`<line class="grid" x1="${LEFT}" x2="${WIDTH}" y1="${y(value)}" y2="${y(value)}"/>
<text class="axis" x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end">${numberText(value)}</text>`,
  )
  const bars = days.flatMap((day, index) =>
    SERIES.map(({ name, of }, place) => {
      const value = of(day)
      if (value === 0) return ''
      const x = LEFT + index * step + step * 0.1 + place * bar
      const height = Math.max(1, (PLOT * value) / top)
      const label = `${dayText(day.day)}: ${TEXTS.chart[name]} ${numberText(value)}`
      return html`<rect class="bar ${name}" x="${round(x)}" y="${round(TOP + PLOT - height)}" width="${round(bar)}" height="${round(height)}"><title>${label}</title></rect>`
    }),
  )
  const labels = days.map((day, index) =>
    (days.length - 1 - index) % 7 === 0
      ? html`<text class="axis" x="${round(LEFT + (index + 0.5) * step)}" y="${HEIGHT - 6}" text-anchor="${index === days.length - 1 ? 'end' : 'middle'}">${dayText(day.day)}</text>`
      : '',
  )
  const legend = SERIES.map(({ name }) => html`<li><span class="key ${name}"></span>${TEXTS.chart[name]}</li>`)
  return html`<figure class="chart">
<figcaption><ul class="legend">!${legend.join('')}</ul></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${TEXTS.chart.label}">!${lines.join('')}!${bars.join('')}!${labels.join('')}</svg>
!${tableHtml(days)}
</figure>`
}

function tableHtml(days: readonly DayCounts[]): string {
  const rows = days
    .toReversed()
    .map(
      (day) =>
        html`<tr><th scope="row">${dayText(day.day)}</th>!${SERIES.map(({ of }) => html`<td>${numberText(of(day))}</td>`).join('')}</tr>`,
    )
  return html`<details><summary>${TEXTS.chart.table}</summary>
<div class="scroll" role="region" aria-label="${TEXTS.chart.table}" tabindex="0"><table class="numbers"><thead><tr><th scope="col">${TEXTS.chart.day}</th>!${SERIES.map(({ name }) => html`<th scope="col">${TEXTS.chart[name]}</th>`).join('')}</tr></thead>
<tbody>!${rows.join('')}</tbody></table></div></details>`
}

/** Returns 2, 4, 10, 20, 40, 100, and so on: a number whose half is whole too. */
function niceTop(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most))
  return [1, 2, 4, 10].map((step) => step * power).find((top) => top >= Math.max(2, most)) ?? 10 * power
}

const round = (value: number): number => Math.round(value * 10) / 10
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })
const dayText = (day: string): string => DAY.format(Date.parse(day))
