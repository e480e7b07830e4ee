import { html } from 'ghtml'
import type { DeliveryEvent } from '../../../sale/types.ts'
import { detailText } from '../../../sale/words.ts'
import { timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

/**
 * Returns events as a list, in their order.
 * @param of.base the path of the console: each entry then links to its delivery
 */
export function timelineHtml({ events, base }: { events: readonly DeliveryEvent[]; base?: string }): string {
  const items = events.map(({ at, kind, detail, actor, deliveryId }) => {
    const by = actor === null ? '' : html` <span class="quiet">${fill(TEXTS.delivery.by, { actor })}</span>`
    const link =
      base === undefined ? '' : html` <a href="${base}/deliveries/${deliveryId}"><code>${deliveryId}</code></a>`
    const more = detail === '' ? '' : html`<p>${detailText(detail)}</p>`
    return html`<li class="${kind.replaceAll('_', '-')}"><strong>${TEXTS.events[kind]}</strong>!${by} <span class="quiet">!${timeHtml(at, 'seconds')}</span>!${link}!${more}</li>`
  })
  return html`<ol class="timeline">!${items.join('')}</ol>`
}
