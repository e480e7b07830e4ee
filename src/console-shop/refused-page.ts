import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import { numberText, timeHtml } from '../console-layout/format.ts'
import { sessionOf } from '../console-layout/guard.ts'
import { sendPage } from '../console-layout/layout.ts'
import { listTable } from '../console-layout/list-table.ts'
import { TEXTS } from '../console-layout/texts.ts'
import type { Site } from '../session/site.ts'

const words = TEXTS.refused
const SHOWN = 50

/** What the service refused from one address since `since`, and why; times in ms since 1970. */
export interface RefusedSender {
  readonly address: string
  readonly refused: number
  readonly codes: Readonly<Partial<Record<keyof typeof words.codes, number>>>
  readonly since: number
  readonly lastAt: number
}

/** Adds the page that shows where refused webhooks came from: the shop with a wrong secret, or a stranger. */
export function addRefused({
  scope,
  site,
  refusedSenders,
}: {
  scope: FastifyInstance
  site: () => Site
  /** The addresses with the most recent refusals first. */
  refusedSenders: (count: number) => readonly RefusedSender[]
}): void {
  const path = '/refused'
  scope.get(path, (request, reply) => {
    const { base } = site()
    const found = refusedSenders(SHOWN)
    const list =
      found.length === 0 ? html`<p>${words.none}</p>` : listTable({ columns: words.columns, rows: found.map(cellsOf) })
    const main = html`<p>${words.intro}</p><p>${words.todo} <a href="${base}/signature">${TEXTS.nav.signature}</a>.</p>!${list}`
    return sendPage({ reply, site: site(), session: sessionOf(request), title: words.title, current: path, main })
  })
}

function cellsOf({ address, refused, codes, since, lastAt }: RefusedSender): string[] {
  const reasons = Object.entries(words.codes).flatMap(([code, text]) => {
    const [, times] = Object.entries(codes).find(([one]) => one === code) ?? []
    return times === undefined ? [] : [html`${text} (${numberText(times)})`]
  })
  return [
    html`<code>${address}</code>`,
    numberText(refused),
    html`<div>!${reasons.join('<br>')}</div>`,
    html`<div>!${timeHtml(lastAt)}<br><span class="quiet">${words.since} !${timeHtml(since)}</span></div>`,
  ]
}
