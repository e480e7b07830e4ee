import { html } from 'ghtml'
import { type FormLately, isAcceptedAgain, type SendersView, wrongSignatures } from '../../../shop/senders/view.ts'
import { copyButton, copyHtml, factsHtml, refreshes } from '../../layout/elements.ts'
import { fillCount, signatureHtml, timeHtml } from '../../layout/format.ts'
import { TEXTS } from '../../layout/texts.ts'

const words = TEXTS.connectShop
/** The first webhook shows within this time, s. */
const LIVE_SECONDS = 3

/** A step of the first day, as escaped HTML. */
export interface Step {
  readonly id: string
  readonly title: string
  readonly done: boolean
  /** Its state in a few words, not escaped. */
  readonly aside: string
  readonly body: string
}

interface Shop {
  /** The address of the service, without a slash at the end. */
  readonly at: string
  readonly senders: SendersView
  readonly forms: readonly FormLately[]
  readonly refunds: boolean
  readonly isPublic: boolean
  readonly hasPreviousSecret: boolean
}

/**
 * Returns the step that connects the shop. Until its first webhook with a valid signature has come, it updates itself.
 *
 * It never shows the secret: with the secret, anyone can make sales under nobody's name, also after they left the staff,
 * while every change in this console has its author. It shows where the secret is instead.
 */
export function connectShop(shop: Shop): Step {
  const { at, isPublic, refunds, forms } = shop
  const { current, previous } = shop.senders.signedAt
  // Old webhooks with a valid signature are known by the deliveries that they made.
  const done = current !== null || previous !== null || forms.length > 0
  const url = `${at}/api/lernito/webhook/`
  const rows = [
    [words.webhook, copyHtml({ id: 'copy-webhook', text: url })],
    [words.secret, secretHtml()],
    [words.status, copyHtml({ id: 'copy-status', text: `${at}/api/lernito/status/` })],
    [
      words.refund,
      refunds ? copyHtml({ id: 'copy-refund', text: `${at}/api/lernito/refund/` }) : html`${words.refundsOff}`,
    ],
  ] as const
  const local = isPublic ? '' : html`<p class="note warning">${words.local}</p>`
  const poll = html`<div !${refreshes({ url: '~/setup', id: 'connect-shop', seconds: LIVE_SECONDS })}></div>`
  return {
    id: 'connect-shop',
    title: words.title,
    done,
    aside: done ? words.connected : words.notConnected,
    body: html`!${done ? '' : poll}!${local}<p>${words.enter}</p>!${factsHtml(rows)}
<div class="note ${done ? 'good' : ''}" role="status">!${done ? signedHtml(shop) : html`<p><span class="state queued">${words.waiting}</span> <span data-scripted hidden>${words.live}</span></p>`}</div>
!${refusedHtml(shop)}!${done ? '' : byHandHtml(url)}`,
  }
}

const secretHtml = (): string =>
  html`<code>LERNITO_WEBHOOK_SECRET</code> ${words.secretHelp}<br>${words.secretTutor} !${copyHtml({ id: 'copy-secret', text: 'tutor config printvalue LERNITO_WEBHOOK_SECRET' })}`

/** How the shop signed its last webhooks, with which secret, and what follows from that after a rotation. */
function signedHtml({ senders: { signedAt }, forms, hasPreviousSecret }: Shop): string {
  const { current, previous } = signedAt
  const isPrevious = previous !== null && (current === null || previous > current)
  const latest = Math.max(current ?? 0, previous ?? 0)
  const lines = forms.map(({ form, at }) => html`<p>${words.form} !${signatureHtml(form)}, !${timeHtml(at)}.</p>`)
  const next = isPrevious ? words.changeShop : hasPreviousSecret ? words.removePrevious : ''
  const secret =
    latest === 0
      ? ''
      : html`<p>${words.secretInUse} ${isPrevious ? words.previousSecret : words.currentSecret}, !${timeHtml(latest)}.!${next === '' ? '' : html` ${next}`}</p>`
  return lines.join('') + secret
}

/** The latest sender whose signature was wrong, and has not been right since. */
function refusedHtml({ senders: { refused } }: Shop): string {
  const wrong = refused.flatMap((sender) => {
    const found = wrongSignatures(sender)
    return found === null || isAcceptedAgain(sender, found) ? [] : [{ ...found, address: sender.address }]
  })
  const [latest] = wrong.toSorted((a, b) => b.lastAt - a.lastAt)
  if (latest === undefined) return ''
  const { count, lastAt, address } = latest
  const from = address === '' ? '' : html` ${words.from} <code>${address}</code>`
  return html`<p><span class="state needs_attention">${fillCount(words.refused, count)}</span> !${timeHtml(lastAt, 'ago')}!${from}: ${words.refusedWhy} <a href="~/refused">${words.findCause}</a></p>`
}

/** A command that sends a signed sale. The bytes of the body are signed as they are. */
function byHandHtml(url: string): string {
  const command = `LERNITO_WEBHOOK_SECRET='THE-SECRET'
BODY='{"email":"you@example.com","name":"You","family":"Test","username":"you","courseIds":["course-v1:edX+DemoX+Demo_Course"]}'
SIGNATURE=$(printf %s "$BODY" | openssl dgst -sha256 -hmac "$LERNITO_WEBHOOK_SECRET" | sed 's/^.* //')
curl -sS -i '${url}' -H 'Content-Type: application/json' -H "X-Lernito-Signature: $SIGNATURE" -d "$BODY"`
  return html`<details class="more" id="by-hand"><summary>${words.byHand}</summary><p>${words.byHandHelp}</p>
<pre id="copy-command" tabindex="0" role="region" aria-label="${words.command}">${command}</pre>
!${copyButton({ copies: 'copy-command', look: 'second copy' })}</details>`
}
