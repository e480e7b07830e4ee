import { html } from 'ghtml'
import type { Overview } from '../../../operators/find/overview.ts'
import { type StateCounts, totalOf } from '../../../operators/reports/counts.ts'
import type { DeliveryState } from '../../../sale/types.ts'
import { durationText, numberText } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { queryText } from '../deliveries/list-query.ts'

const words = TEXTS.overview

/** Returns the figures above the chart. They add up: each stored delivery is counted once, by its state. */
export function tilesHtml(of: {
  counts: StateCounts
  /** How many causes need attention. */
  causes: number
  /** The sales of today, in the reader's zone. */
  today: number
  pace: Overview['pace']
  base: string
}): string {
  const { counts, causes, today, pace, base } = of
  const closed = counts.handled + counts.withdrawn
  const attention =
    causes === 0
      ? words.tiles.noCause
      : causes === 1
        ? words.tiles.oneCause
        : fill(words.tiles.causes, { count: numberText(causes) })
  const tiles = [
    tile({
      name: words.tiles.sales,
      count: totalOf(counts),
      more: fill(words.tiles.today, { count: numberText(today) }),
    }),
    tile({ name: words.tiles.enrolled, count: counts.enrolled, more: paceText(pace), state: 'enrolled', base }),
    tile({ name: words.tiles.waiting, count: counts.queued, more: words.tiles.retried, state: 'queued', base }),
    tile({
      name: words.tiles.preEnrolled,
      count: counts.pre_enrolled,
      more: words.tiles.followed,
      state: 'pre_enrolled',
      base,
    }),
    tile({
      name: words.tiles.needsAttention,
      count: counts.needs_attention,
      more: attention,
      state: 'needs_attention',
      base,
    }),
    tile({ name: words.tiles.rejected, count: counts.rejected, more: words.tiles.wrongData, state: 'rejected', base }),
    ...(closed === 0 ? [] : [tile({ name: words.tiles.closed, count: closed, more: words.tiles.byOperators })]),
  ]
  return html`<dl class="figures">!${tiles.join('\n')}</dl>`
}

function tile(of: { name: string; count: number; more: string; state?: DeliveryState; base?: string }): string {
  const { name, count, more, state, base } = of
  const number = html`<strong>${numberText(count)}</strong>`
  const linked =
    state === undefined ? number : html`<a href="${base ?? ''}/deliveries${queryText({ state })}">!${number}</a>`
  const look = state === undefined || count === 0 ? '' : state.replace('_', '-')
  return html`<div class="${look}"><dt>${name}</dt><dd>!${linked}</dd><dd class="quiet">${more}</dd></div>`
}

function paceText(pace: Overview['pace']): string {
  if (pace === null) return words.tiles.stored
  const { median, p95 } = pace
  return fill(TEXTS.overview.paceShort, { median: durationText(median), p95: durationText(p95) })
}
