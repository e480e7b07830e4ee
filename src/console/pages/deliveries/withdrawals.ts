import { html } from 'ghtml'
import { LATE, type Withdrawal } from '../../../queue/withdrawal-row.ts'
import { timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.withdraw

/** Whether the service still carries it out. */
export const isPending = ({ endedAt }: Withdrawal): boolean => endedAt === null

/** The withdrawals of a delivery with their progress, newest first; '' if there are none. */
export function withdrawalsHtml(withdrawals: readonly Withdrawal[]): string {
  if (withdrawals.length === 0) return ''
  return html`<h2>${words.list}</h2><ol class="timeline" id="withdrawals">!${withdrawals.map(withdrawalHtml).join('')}</ol>`
}

function withdrawalHtml(withdrawal: Withdrawal): string {
  const { by, isRefund, requestedAt, courses, paid, result } = withdrawal
  const items = courses.map((course) => {
    const found = result?.courses[course]
    const what = found === undefined ? '' : kindText(found)
    return html`<li><code>${course}</code> ${what}</li>`
  })
  return html`<li><strong>${isRefund ? words.refund : fill(words.requested, { by })}</strong> <span class="quiet">!${timeHtml(requestedAt)}</span>
<p>!${progressHtml(withdrawal)}!${paid ? html` ${words.includesPaid}` : ''}</p><ul>!${items.join('')}</ul></li>`
}

function progressHtml({ endedAt, dueAt, result }: Withdrawal): string {
  const message = result?.message ?? ''
  if (endedAt === null) {
    if (message === LATE) return html`${words.late} !${timeHtml(dueAt)}.`
    return message === '' ? html`${words.waiting}` : html`${fill(words.retrying, { message })} !${timeHtml(dueAt)}.`
  }
  if (message !== '')
    return html`${fill(words.endedWith, { message })} <span class="quiet">!${timeHtml(endedAt)}</span>`
  const kept = Object.values(result?.courses ?? {}).some(({ kind }) => kind === 'kept')
  return html`${kept ? words.endedKept : words.ended} <span class="quiet">!${timeHtml(endedAt)}</span>`
}

function kindText({ kind, why, mode }: NonNullable<Withdrawal['result']>['courses'][string]): string {
  const text = kind === 'kept' ? fill(words.kinds.kept, { why }) : words.kinds[kind]
  return kind === 'unenrolled' && mode !== null ? `${text} (${mode})` : text
}
