import { html } from 'ghtml'
import type { CourseSales } from '../../../operators/reports/sales.ts'
import type { DeliveryState } from '../../../sale/types.ts'
import { numberText } from '../../layout/format.ts'
import { TEXTS } from '../../layout/texts.ts'
import { queryText } from '../deliveries/list-query.ts'

const words = TEXTS.overview

/** Returns the sales of each course by their state; '' if nothing was sold. */
export function courseSalesHtml(courses: readonly CourseSales[], base: string): string {
  if (courses.length === 0) return ''
  const rows = courses.map(({ course, counts }) => {
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
    const number = (state: DeliveryState): string => {
      const count = counts[state] ?? 0
      if (count === 0) return html`<td class="quiet">0</td>`
      const look = state === 'needs_attention' ? ' class="bad"' : ''
      return html`<td><a!${look} href="${base}/deliveries${queryText({ q: course, state })}">${numberText(count)}</a></td>`
    }
    return html`<tr><th scope="row"><a href="${base}/deliveries${queryText({ q: course })}"><code>${course}</code></a></th><td>${numberText(total)}</td>!${number('enrolled')}!${number('pre_enrolled')}!${number('needs_attention')}</tr>`
  })
  const head = words.courses.columns.map((name) => html`<th scope="col">${name}</th>`)
  return html`<h2>${words.courses.title}</h2>
<div class="sideways" role="region" aria-label="${words.courses.title}" tabindex="0"><table class="numbers boxed"><thead><tr>!${head.join('')}</tr></thead><tbody>!${rows.join('\n')}</tbody></table></div>`
}
