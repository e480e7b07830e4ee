import { html } from 'ghtml'
import { numberText, timeHtml } from '../console-layout/format.ts'
import { listTable } from '../console-layout/list-table.ts'
import { fill, TEXTS } from '../console-layout/texts.ts'
import { type GivenAnswer, type GivenAnswers, REQUEST_WORDS } from '../delivery/shop-answer.ts'

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
