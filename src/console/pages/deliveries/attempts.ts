import { html } from 'ghtml'
import type { CallNote } from '../../../sale/calls.ts'
import type { DeliveryEvent } from '../../../sale/types.ts'
import { numberText, timeHtml } from '../../layout/format.ts'
import { listTable } from '../../layout/list-table.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.attempts

/** Returns each call to the LMS about a delivery with its result, oldest first; '' if none is known. */
export function attemptsHtml(events: readonly DeliveryEvent[]): string {
  const rows = events.flatMap((event) => (event.calls ?? []).map((call) => cellsOf(event, call)))
  return rows.length === 0 ? '' : html`<h2>${words.title}</h2>!${listTable({ columns: words.columns, rows })}`
}

function cellsOf({ at, kind, detail }: DeliveryEvent, { api, people, status, ms }: CallNote): string[] {
  const others = people - 1
  const count = others === 1 ? words.withOne : fill(words.withOthers, { count: numberText(others) })
  const name = api === 'single' ? words.single : html`<code>${api}</code>`
  const isGood = status !== null && status < 300
  const shown = api === 'single' ? '' : html`<span class="${isGood ? 'good' : 'bad'}">${status ?? words.none}</span>`
  return [
    html`<div>!${timeHtml(at, 'seconds')}</div>`,
    html`<div class="call">!${name}!${others === 0 ? '' : html`<br><span class="quiet">${count}</span>`}</div>`,
    html`<div>!${shown}</div>`,
    html`<div>${fill(words.ms, { ms: numberText(ms) })}</div>`,
    html`<div>${TEXTS.events[kind]}!${kind === 'retry_scheduled' ? html`<br><span class="quiet">${detail}</span>` : ''}</div>`,
  ]
}
