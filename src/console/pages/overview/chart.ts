import { html } from 'ghtml'
import type { Band } from '../../../operators/incidents/incidents.ts'
import type { Bar } from '../../../operators/reports/counts.ts'
import { numberText } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { Zone } from '../../layout/zone.ts'

const words = TEXTS.chart
const WIDTH = 960
const HEIGHT = 200
const LEFT = 40
const TOP = 12
const BOTTOM = 24
const PLOT = HEIGHT - TOP - BOTTOM

/**
 * The colors of the chart with the states that each stands for, from the bottom to the top. `isMain`: the legend shows it
 * even without a sale.
 */
const SERIES = [
  { name: 'enrolled', states: ['enrolled'], isMain: true },
  { name: 'preEnrolled', states: ['pre_enrolled'], isMain: true },
  { name: 'waiting', states: ['queued'], isMain: false },
  { name: 'attention', states: ['needs_attention'], isMain: true },
  { name: 'rejected', states: ['rejected'], isMain: false },
  { name: 'closed', states: ['handled', 'withdrawn'], isMain: false },
] as const
type Series = (typeof SERIES)[number]

/** Returns how many sales of a bar belong to a series. */
const countOf = ({ counts }: Pick<Bar, 'counts'>, { states }: Series): number =>
  states.reduce((sum, state) => sum + (counts[state] ?? 0), 0)

interface Chart {
  readonly bars: readonly Bar[]
  readonly by: 'hour' | 'day'
  readonly zone: Zone
  /** The times without the LMS or the database. */
  readonly bands: readonly Band[]
  /** ms since 1970. */
  readonly now: number
}

/** The width that a bar has with its space. */
const stepOf = ({ bars }: Pick<Chart, 'bars'>): number => (WIDTH - LEFT) / Math.max(1, bars.length)

/**
 * Draws the sales of each hour or day on the server, stacked by their state, so that they show without a script. The
 * table below has the same numbers for readers who can't see the bars.
 */
export function chartHtml(chart: Chart): string {
  const { bars, by, zone, bands } = chart
  const most = Math.max(1, ...bars.map((bar) => SERIES.reduce((sum, series) => sum + countOf(bar, series), 0)))
  const top = niceTop(most)
  const step = stepOf(chart)
  const y = (value: number): number => TOP + PLOT * (1 - value / top)
  const lines = [0, top / 2, top].map(
    (value) => html`<line class="grid" x1="${LEFT}" x2="${WIDTH}" y1="${y(value)}" y2="${y(value)}"/>
<text class="axis" x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end">${numberText(value)}</text>`,
  )
  const stacks = bars.map((bar, index) =>
    stackHtml(bar, { name: zone.formats[by].format(bar.from), x: LEFT + (index + 0.15) * step, width: step * 0.7, y }),
  )
  const label = fill(words.label, { span: words.spans[by] })
  const shown = SERIES.filter((series) => series.isMain || bars.some((bar) => countOf(bar, series) > 0))
  const legend = shown.map(({ name }) => html`<li><span class="key ${name}"></span>${words[name]}</li>`)
  const outage = bands.length === 0 ? '' : html`<li><span class="key outage"></span>${words.outage}</li>`
  return html`<figure class="chart">
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">!${bandsHtml(chart)}!${lines.join('')}!${stacks.join('')}!${labelsHtml(chart)}</svg>
<figcaption><ul class="legend">!${legend.join('')}!${outage}</ul></figcaption>
!${chartTableHtml(chart, shown)}
</figure>`
}

/** @param of.name the time at which the bar begins */
function stackHtml(
  bar: Bar,
  { name, x, width, y }: { name: string; x: number; width: number; y: (value: number) => number },
): string {
  let below = 0
  const parts = SERIES.map((series: Series) => {
    const value = countOf(bar, series)
    if (value === 0) return ''
    const [upper, lower] = [y(below + value), y(below)]
    below += value
    return html`<rect class="bar ${series.name}" x="${round(x)}" y="${round(upper)}" width="${round(width)}" height="${round(Math.max(1, lower - upper))}"><title>${name}: ${words[series.name]} ${numberText(value)}</title></rect>`
  })
  return parts.join('')
}

/** A band behind each bar with a time without the LMS, so that a short one can be seen too. */
function bandsHtml({ bars, bands, now }: Chart): string {
  const step = stepOf({ bars })
  const indexOf = (time: number): number => bars.findLastIndex(({ from }) => from <= time)
  return bands
    .map(({ from, to }) => {
      const [first, last] = [Math.max(0, indexOf(from)), indexOf(to ?? now)]
      return last < 0
        ? ''
        : html`<rect class="outage" x="${round(LEFT + first * step)}" y="${TOP}" width="${round((last - first + 1) * step)}" height="${PLOT}"/>`
    })
    .join('')
}

function labelsHtml({ bars, by, zone }: Chart): string {
  const step = stepOf({ bars })
  const every = by === 'hour' ? 12 : 7
  return bars
    .map(({ from }, index) =>
      (bars.length - 1 - index) % every === 0
        ? html`<text class="axis" x="${round(LEFT + (index + 0.5) * step)}" y="${HEIGHT - 6}" text-anchor="${index === bars.length - 1 ? 'end' : 'middle'}">${zone.formats[by].format(from)}</text>`
        : '',
    )
    .join('')
}

/** Returns 2, 4, 10, 20, 40, 100, and so on: a number whose half is whole too. */
function niceTop(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most))
  return [1, 2, 4, 10].map((step) => step * power).find((top) => top >= Math.max(2, most)) ?? 10 * power
}

const round = (value: number): number => Math.round(value * 10) / 10

/** Returns the same numbers as a table, the latest first. */
function chartTableHtml({ bars, by, zone }: Chart, shown: readonly Series[]): string {
  const rows = bars
    .toReversed()
    .map(
      (bar) =>
        html`<tr><th scope="row">${zone.formats[by].format(bar.from)}</th>!${shown.map((series) => html`<td>${numberText(countOf(bar, series))}</td>`).join('')}</tr>`,
    )
  const head = shown.map(({ name }) => html`<th scope="col">${words[name]}</th>`)
  return html`<details id="numbers"><summary>${words.table}</summary>
<div class="scroll" role="region" aria-label="${words.table}" tabindex="0"><table class="numbers"><thead><tr><th scope="col">${fill(words.from, { zone: zone.name })}</th>!${head.join('')}</tr></thead>
<tbody>!${rows.join('')}</tbody></table></div></details>`
}
