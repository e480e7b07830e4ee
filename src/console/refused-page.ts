import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import { numberText, timeHtml } from './format.ts'
import { sessionOf } from './guard.ts'
import { sendPage } from './layout.ts'
import { listTable } from './list-table.ts'
import type { Site } from './site.ts'
import { TEXTS } from './texts.ts'

const words = TEXTS.refused
const SHOWN = 50

/** What was refused of one address since `since`, and why; ms since 1970. */
export interface Refuser {
  readonly address: string
  readonly refused: number
  readonly codes: Readonly<Partial<Record<keyof typeof words.codes, number>>>
  readonly since: number
  readonly lastAt: number
}

/** Where webhooks came from that were refused without being stored: the shop with a wrong secret, or a stranger. */
export function addRefused({
  scope,
  site,
  refusers,
}: {
  scope: FastifyInstance
  site: () => Site
  /** Of which addresses most was refused lately, those first. */
  refusers: (count: number) => readonly Refuser[]
}): void {
  const path = '/refused'
  scope.get(path, (request, reply) => {
    const { base } = site()
    const found = refusers(SHOWN)
    const list =
      found.length === 0 ? html`<p>${words.none}</p>` : listTable({ columns: words.columns, rows: found.map(cellsOf) })
    const main = html`<p>${words.intro}</p><p>${words.todo} <a href="${base}/signature">${TEXTS.nav.signature}</a>.</p>!${list}`
    return sendPage({ reply, site: site(), session: sessionOf(request), title: words.title, current: path, main })
  })
}

function cellsOf({ address, refused, codes, since, lastAt }: Refuser): string[] {
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
