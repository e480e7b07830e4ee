import { html } from 'ghtml'
import type { Bar } from '../../../operators/reports/counts.ts'
import type { DeliveryState } from '../../../sale/types.ts'
import { numberText } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { Zone } from '../../layout/zone.ts'

const words = TEXTS.chart

/** A color of the chart: the states that it stands for. `isMain`: the legend shows it even without a sale. */
export interface Series {
  readonly name: 'enrolled' | 'preEnrolled' | 'waiting' | 'attention' | 'rejected' | 'closed'
  readonly states: readonly DeliveryState[]
  readonly isMain: boolean
}

/** From the bottom to the top. */
export const SERIES: readonly Series[] = [
  { name: 'enrolled', states: ['enrolled'], isMain: true },
  { name: 'preEnrolled', states: ['pre_enrolled'], isMain: true },
  { name: 'waiting', states: ['queued'], isMain: false },
  { name: 'attention', states: ['needs_attention'], isMain: true },
  { name: 'rejected', states: ['rejected'], isMain: false },
  { name: 'closed', states: ['handled', 'withdrawn'], isMain: false },
]

/** Returns how many sales of a bar belong to a series. */
export const countOf = ({ counts }: Pick<Bar, 'counts'>, { states }: Series): number =>
  states.reduce((sum, state) => sum + (counts[state] ?? 0), 0)

/** Returns the same numbers as a table, the latest first. */
export function chartTableHtml(of: {
  bars: readonly Bar[]
  by: 'hour' | 'day'
  zone: Zone
  shown: readonly Series[]
}): string {
  const { bars, by, zone, shown } = of
  const rows = bars
    .toReversed()
    .map(
      (bar) =>
        html`<tr><th scope="row">${zone.formats[by].format(bar.from)}</th>!${shown.map((series) => html`<td>${numberText(countOf(bar, series))}</td>`).join('')}</tr>`,
    )
  const head = shown.map(({ name }) => html`<th scope="col">${words[name]}</th>`)
  return html`<details><summary>${words.table}</summary>
<div class="scroll" role="region" aria-label="${words.table}" tabindex="0"><table class="numbers"><thead><tr><th scope="col">${fill(words.from, { zone: zone.name })}</th>!${head.join('')}</tr></thead>
<tbody>!${rows.join('')}</tbody></table></div></details>`
}
