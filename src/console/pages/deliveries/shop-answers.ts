import { html } from 'ghtml'
import { type GivenAnswer, type GivenAnswers, REQUEST_WORDS } from '../../../queue/shop-answers.ts'
import { numberText, timeHtml } from '../../layout/format.ts'
import { listTable } from '../../layout/list-table.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.answers

/** Returns each answer that the shop got about a delivery, oldest first; '' if none is known. */
export function shopAnswersHtml({ first, omitted, last }: GivenAnswers): string {
  if (first.length === 0) return ''
  const gap = [fill(words.omitted, { count: numberText(omitted) }), '', '', '']
  const rows = [...first.map(cellsOf), ...(omitted === 0 ? [] : [gap]), ...last.map(cellsOf)]
  return html`<h2>${words.title}</h2>!${listTable({ columns: words.columns, rows })}`
}

function cellsOf({ at, to, status, ms }: GivenAnswer): string[] {
  const isGood = status !== null && status < 300
  return [
    html`<div>!${timeHtml(at, 'seconds')}</div>`,
    html`<div>${REQUEST_WORDS[to]}</div>`,
    html`<div><span class="${isGood ? 'good' : 'bad'}">${status ?? words.hungUp}</span></div>`,
    html`<div>${fill(TEXTS.attempts.ms, { ms: numberText(ms) })}</div>`,
  ]
}
