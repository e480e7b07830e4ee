import { html } from 'ghtml'
import type { Band } from '../../../operators/incidents/incidents.ts'
import { type Bar, totalOf } from '../../../operators/reports/counts.ts'
import { fillCount, numberText } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { DAY_MS, dayText, HOUR_MS, type Zone } from '../../layout/zone.ts'
import { queryText, spanText } from '../deliveries/list-filters.ts'

const words = TEXTS.chart
const incidentWords = TEXTS.incidents
/** In px. Sideways, everything is in percents of the width that the page has, so that no letter is scaled. */
const HEIGHT = 200
const AXIS = 36
const TOP = 12
const BOTTOM = 24
const PLOT = HEIGHT - TOP - BOTTOM
/** The strip of an outage, below the bars. Its edge makes the shortest one wide enough to see and to press: see console.css. */
const STRIP = { top: TOP + PLOT + 3, height: 2, narrowest: 0.1 }

/**
 * The colors of the chart with the states that each stands for, from the bottom to the top. `isMain`: the legend shows it
 * even without a sale.
 */
const SERIES = [
  { name: 'enrolled', states: ['enrolled'], isMain: true },
  { name: 'pre_enrolled', states: ['pre_enrolled'], isMain: true },
  { name: 'queued', states: ['queued'], isMain: false },
  { name: 'needs_attention', states: ['needs_attention'], isMain: true },
  { name: 'rejected', states: ['rejected'], isMain: false },
  { name: 'closed', states: ['handled', 'withdrawn'], isMain: false },
] as const
type Series = (typeof SERIES)[number]

const countOf = ({ counts }: Pick<Bar, 'counts'>, { states }: Series): number => totalOf(counts, states)

interface Chart {
  readonly bars: readonly Bar[]
  readonly by: 'hour' | 'day'
  readonly zone: Zone
  readonly bands: readonly Band[]
  /** ms since 1970. */
  readonly now: number
}

/** What a bar has of the width, in percent. */
const stepOf = ({ bars }: Pick<Chart, 'bars'>): number => 100 / Math.max(1, bars.length)

/**
 * Draws the sales of each hour or day on the server, stacked by their state, so that they show without a script. Each bar
 * leads to its sales, and the strip of an outage to those that waited. The table below has the same numbers and
 * links for readers who can't see or press the bars.
 */
export function chartHtml(chart: Chart): string {
  const { bars, by, bands } = chart
  const { step, top } = axisOf(Math.max(0, ...bars.map((bar) => totalOf(bar.counts))))
  const y = (value: number): number => TOP + PLOT * (1 - value / top)
  const values = Array.from({ length: top / step + 1 }, (_, index) => index * step)
  const numbers = values.map(
    (value) =>
      html`<text class="axis" x="${AXIS - 6}" y="${round(y(value) + 4)}" text-anchor="end">${numberText(value)}</text>`,
  )
  const lines = values.map(
    (value) => html`<line class="grid" x1="0" x2="100%" y1="${round(y(value))}" y2="${round(y(value))}"/>`,
  )
  const shown = SERIES.filter((series) => series.isMain || bars.some((bar) => countOf(bar, series) > 0))
  const legend = shown.map((series) => {
    const count = bars.reduce((sum, bar) => sum + countOf(bar, series), 0)
    return html`<li><span class="key ${series.name}"></span>${words[series.name]} ${numberText(count)}</li>`
  })
  const outage = bands.length === 0 ? '' : html`<li><span class="key outage"></span>${words.outage}</li>`
  return html`<figure class="chart"><figcaption><ul class="legend">!${legend.join('')}!${outage}</ul></figcaption>
<div class="plot"><svg width="${AXIS}" height="${HEIGHT}" aria-hidden="true">!${numbers.join('')}</svg><svg width="100%" height="${HEIGHT}" role="group" aria-label="${words.label[by]}"><g aria-hidden="true">!${lines.join('')}!${labelsHtml(chart)}</g>!${bars.map((bar, index) => barHtml(chart, { bar, index, y })).join('')}!${stripsHtml(chart)}</svg></div>
!${chartTableHtml(chart, shown)}
</figure>`
}

/** The sales of a bar. */
const barUrl = ({ by, zone }: Pick<Chart, 'by' | 'zone'>, bar: Pick<Bar, 'from' | 'to'>): string => {
  const day = dayText(bar.from, zone)
  const received = by === 'hour' ? { received: spanText(bar) } : { from: day, to: day }
  return `~/deliveries${queryText({ sales: 'only', ...received })}`
}

function barHtml(chart: Chart, of: { bar: Bar; index: number; y: (value: number) => number }): string {
  const { by, zone } = chart
  const { bar, index, y } = of
  const total = totalOf(bar.counts)
  if (total === 0) return ''
  const step = stepOf(chart)
  const name = zone.format(by, bar.from)
  let below = 0
  const stack = SERIES.map((series: Series) => {
    const value = countOf(bar, series)
    if (value === 0) return ''
    const [upper, lower] = [y(below + value), y(below)]
    below += value
    return html`<rect class="bar ${series.name}" x="${round((index + 0.15) * step)}%" y="${round(upper)}" width="${round(step * 0.7)}%" height="${round(Math.max(1, lower - upper))}"><title>${name}: ${words[series.name]} ${numberText(value)}</title></rect>`
  })
  const label = fillCount(words.sales, total, { day: name })
  return html`<a href="${barUrl(chart, bar)}" tabindex="-1" aria-hidden="true"><rect class="day" x="${round(index * step)}%" y="${TOP}" width="${round(step)}%" height="${PLOT}"><title>${label}</title></rect>!${stack.join('')}</a>`
}

/** A strip below the bars over each time without the LMS or the database. */
function stripsHtml(chart: Chart): string {
  const { bars, bands, now } = chart
  const step = stepOf(chart)
  const first = bars[0]?.from ?? now
  const xOf = (time: number): number => {
    const index = bars.findLastIndex(({ from }) => from <= time)
    const from = bars[index]?.from ?? first
    const length = (bars[index + 1]?.from ?? from + SPAN_MS[chart.by]) - from
    return (Math.max(0, index) + Math.min(1, Math.max(0, (time - from) / length))) * step
  }
  return bands
    .map((band) => {
      const [from, to] = [xOf(Math.max(first, band.from)), xOf(band.to ?? now)]
      const width = Math.max(STRIP.narrowest, to - from)
      const x = Math.min(from, 100 - width)
      const label = `${incidentWords.kinds[band.kind]}: ${words.waited}`
      return html`<a href="~/deliveries${queryText({ waited: spanText(band) })}" aria-label="${label}"><rect class="outage" x="${round(x)}%" y="${STRIP.top}" width="${round(width)}%" height="${STRIP.height}"><title>${label}</title></rect></a>`
    })
    .join('')
}

const SPAN_MS = { hour: HOUR_MS, day: DAY_MS }

function labelsHtml({ bars, by, zone }: Chart): string {
  const step = stepOf({ bars })
  const isNamed = (index: number): boolean =>
    by === 'hour'
      ? index % Math.ceil(bars.length / 3) === 0
      : (bars.length - 1 - index) % Math.max(7, Math.ceil(bars.length / 8)) === 0
  return bars
    .map(({ from }, index) =>
      isNamed(index)
        ? html`<text class="axis" x="${round((index + 0.5) * step)}%" y="${HEIGHT - 6}" text-anchor="${index === bars.length - 1 ? 'end' : 'middle'}">${zone.format(by, from)}</text>`
        : '',
    )
    .join('')
}

/**
 * Returns the lines of an axis: 1, 2, 2.5 or 5 times a power of ten apart, as few as leave at most a fifth of the axis
 * above the highest bar.
 */
export function axisOf(most: number): { step: number; top: number } {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most)))
  const steps = [5, 2.5, 2, 1, 0.5, 0.25, 0.2, 0.1].map((one) => one * power).filter((step) => Number.isInteger(step))
  const axes = steps.map((step) => ({ step, top: Math.max(2, Math.ceil(most / step)) * step }))
  return axes.find(({ top }) => top - most <= top / 5) ?? { step: 1, top: Math.max(2, most) }
}

const round = (value: number): number => Math.round(value * 100) / 100

function chartTableHtml(chart: Chart, shown: readonly Series[]): string {
  const { bars, by, zone } = chart
  const rows = bars
    .toReversed()
    .map(
      (bar) =>
        html`<tr><th scope="row"><a href="${barUrl(chart, bar)}">${zone.format(by, bar.from)}</a></th>!${shown.map((series) => html`<td>${numberText(countOf(bar, series))}</td>`).join('')}</tr>`,
    )
  const head = shown.map(({ name }) => html`<th scope="col">${words[name]}</th>`)
  return html`<details id="numbers"><summary>${words.table}</summary>
<div class="scroll" role="region" aria-label="${words.table}" tabindex="0"><table class="numbers"><thead><tr><th scope="col">${fill(words.from, { zone: zone.name })}</th>!${head.join('')}</tr></thead>
<tbody>!${rows.join('')}</tbody></table></div></details>`
}
