import { html } from 'ghtml'
import { formText } from '../../../sale/words.ts'
import type { FormLately, SendersView } from '../../../shop/senders/view.ts'
import { timeHtml } from '../../layout/format.ts'
import { TEXTS } from '../../layout/texts.ts'
import { CONSOLE_PATH, callbackOf, type Site } from '../../session/site.ts'

const words = TEXTS.setup

/** What the settings say about the shop. */
export interface ShopSetup {
  /** Whether LERNITO_PUBLIC_URL is set; otherwise the addresses are good on this machine only. */
  readonly isPublic: boolean
  /** Whether LERNITO_WEBHOOK_SECRET_PREVIOUS is set. */
  readonly hasPreviousSecret: boolean
  /** LERNITO_REFUNDS. */
  readonly refunds: boolean
  /** Whether LERNITO_EVENTS_URL is set. */
  readonly events: boolean
  /** The signature forms of the newest deliveries, the latest first. */
  readonly formsLately: () => Promise<readonly FormLately[]>
}

/** Returns the section for the shop's developers: addresses, signatures, and what is turned on. Never a secret. */
export function shopHtml(of: {
  site: Site
  setup: ShopSetup
  senders: SendersView
  forms: readonly FormLately[]
}): string {
  const { site, setup, senders, forms } = of
  const { base, origin } = site
  const at = origin + base.slice(0, -CONSOLE_PATH.length)
  const address = (path: string): string => html`<code>${at}${path}</code>`
  const events = html`${setup.events ? words.eventsOn : words.eventsOff} <a href="${base}/events">${TEXTS.nav.events}</a>`
  const rows = [
    [words.webhook, html`!${address('/api/lernito/webhook/')}`],
    [words.status, address('/api/lernito/status/')],
    [words.refund, setup.refunds ? address('/api/lernito/refund/') : html`${words.refundsOff}`],
    [words.events, events],
    [words.form, formsHtml(forms)],
    [words.secret, secretHtml(senders, setup.hasPreviousSecret)],
    [words.refused, refusedHtml(senders, base)],
  ] as const
  const local = setup.isPublic ? '' : html`<p class="note warning">${words.local}</p>`
  return html`<section><h2>${words.shop}</h2>!${local}!${factsHtml(rows)}</section>`
}

/** Returns the section about who may sign in to the console. */
export function operatorsHtml(of: { site: Site; setup: Pick<ShopSetup, 'isPublic'>; lmsUrl: string }): string {
  const { site, setup, lmsUrl } = of
  const rows = [
    [words.whoMay, html`${words.staffOf} <a href="${lmsUrl}/">${lmsUrl}</a>`],
    [words.console, html`<code>${site.origin}${site.base}/</code>`],
    [words.callback, html`<code>${callbackOf(site)}</code>`],
    [words.publicUrl, html`${setup.isPublic ? words.isSet : words.isNotSet}`],
  ] as const
  return html`<section><h2>${words.operators}</h2>!${factsHtml(rows)}</section>`
}

const factsHtml = (rows: readonly (readonly [name: string, value: string])[]): string =>
  html`<dl class="facts">!${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>!${value}</dd></div>`).join('')}</dl>`

function formsHtml(forms: readonly FormLately[]): string {
  const lines = forms.map(({ form, at }) => html`${formText(form)} <span class="quiet">!${timeHtml(at)}</span>`)
  return lines.length === 0 ? html`${words.noSale}` : lines.join('<br>')
}

/** Which secret the shop signs with, and what follows from that after a rotation. */
function secretHtml({ signedAt: { current, previous } }: SendersView, hasPrevious: boolean): string {
  if (current === null && previous === null) return html`${words.noSale}`
  const isPrevious = previous !== null && (current === null || previous > current)
  const latest = Math.max(current ?? 0, previous ?? 0)
  const text = isPrevious ? words.previousSecret : words.currentSecret
  const next = isPrevious ? words.changeShop : hasPrevious ? words.removePrevious : ''
  return html`${text} <span class="quiet">!${timeHtml(latest)}</span>!${next === '' ? '' : html`<br>${next}`}`
}

const refusedHtml = ({ refused }: SendersView, base: string): string =>
  refused.length === 0 ? html`${words.none}` : html`<a href="${base}/refused">${words.viewRefused}</a>`
