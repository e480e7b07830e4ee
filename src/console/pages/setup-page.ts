import type { FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { formText } from '../../sale/words.ts'
import type { FormLately, SendersView } from '../../shop/senders/view.ts'
import { csrfField, factsHtml, listTable, noticeHtml } from '../layout/elements.ts'
import { agoHtml, numberText, stateHtml, timeHtml, withCodeHtml } from '../layout/format.ts'
import { sendPage } from '../layout/layout.ts'
import { sessionOf } from '../layout/request.ts'
import { fill, TEXTS } from '../layout/texts.ts'
import { type ChecksRun, checksRunSchema, type PageParts } from '../parts.ts'
import { leadToPage, sentForm } from '../session/sent-form.ts'
import { CONSOLE_PATH, callbackOf, type Site } from '../session/site.ts'

const words = TEXTS.setup
const PATH = '/setup'
/** How many of the latest changes are read, and how many sales by operators are looked at. */
const CHANGES = 200
const SALES = 5
/** Of checks, the most urgent first. */
const STATUSES = ['failure', 'warning', 'ok', 'skipped'] as const

/**
 * Adds the page that shows whether the installation is right, and what the shop has to know, and its form that sends a
 * test notification: the answer is a page that says what the receiver answered.
 */
export function addSetup(parts: PageParts): void {
  const { scope, checks, testNotification } = parts
  const send = async (reply: FastifyReply, sent: URLSearchParams | null): Promise<FastifyReply> => {
    const { request } = reply
    const [text, grade] = [sent?.get('notice') ?? null, sent?.get('grade') ?? '']
    const notice = text === null ? '' : noticeHtml({ request, grade, html: html`${text}` })
    const run = readRun(sent?.get('run') ?? null) ?? checks.last()
    const main = notice + (await pageHtml(parts, request, run))
    return sendPage({ reply, title: words.title, current: PATH, main })
  }
  const lead = (reply: FastifyReply, values: URLSearchParams) =>
    leadToPage({ reply, path: reply.request.site.base + PATH, values }, () => send(reply, values))

  scope.get(PATH, (request, reply) => send(reply, sentForm(request)))

  // The page gets what was found, because another replica may show it. The checks change nothing.
  scope.post(`${PATH}/checks`, { config: { unconfirmed: true } }, async (_request, reply) =>
    lead(reply, new URLSearchParams({ run: JSON.stringify(await checks.run()) })),
  )

  scope.post('/test-notification', async (request, reply) => {
    if (testNotification === null) return reply.callNotFound()
    const posted = await testNotification({ by: sessionOf(request).username })
    const notice = posted.ok
      ? fill(TEXTS.testNotification.sent, { status: String(posted.status) })
      : fill(TEXTS.testNotification.failed, { reason: posted.message })
    return lead(reply, new URLSearchParams({ notice, grade: posted.ok ? 'good' : 'warning' }))
  })
}

/** Reads a run from the address of the page. Another version of the service may have written it. */
function readRun(text: string | null): ChecksRun | null {
  return text === null ? null : (checksRunSchema.safeParse(JSON.parse(text)).data ?? null)
}

async function pageHtml(parts: PageParts, request: FastifyRequest, run: ChecksRun | null): Promise<string> {
  const { readSenders, formsLately } = parts
  const { site } = request
  const [senders, forms, last] = await Promise.all([readSenders(), formsLately(), readLastTests(parts)])
  const action = `${site.base}${PATH}/checks`
  return html`<p>${words.intro}</p>
<section><h2>${words.checks}</h2><p>${words.checksIntro}</p>
<form method="post" action="${action}" hx-post="${action}" hx-target="#checks" hx-select="#checks" class="actions">!${csrfField(request)}<button>${words.run}</button></form>
<div id="checks" aria-live="polite">!${run === null ? '' : checksHtml(run)}</div></section>
!${shopHtml(parts, { site, senders, forms })}
!${testSaleHtml(last, site.base)}!${notificationHtml(parts, request, last)}
!${operatorsHtml(parts, site)}`
}

/** Finds the latest test sale and test notification among the latest changes by operators; null if there was none. */
async function readLastTests({ operations }: PageParts) {
  const { items } = await operations.audit({ limit: CHANGES })
  const notification = items.find(({ kind }) => kind === 'notification_tested') ?? null
  // A correction is received from an operator too.
  for (const { deliveryId } of items.filter(({ kind }) => kind === 'received').slice(0, SALES)) {
    const shown = await operations.show(deliveryId)
    if (shown?.source === 'test') return { sale: shown, notification }
  }
  return { sale: null, notification }
}
type LastTests = Awaited<ReturnType<typeof readLastTests>>

/** Returns the section with the test sale, and what came of the last one. */
function testSaleHtml({ sale }: LastTests, base: string): string {
  const last =
    sale === null
      ? ''
      : html`<p>${words.lastTestSale} <a href="${base}/deliveries/${sale.id}">!${timeHtml(sale.receivedAt)}</a> !${stateHtml(sale.state)}</p>`
  return html`<section><h2>${TEXTS.testSale.title}</h2><p>${words.testSale}</p>!${last}
<p class="actions"><a class="button second" href="${base}/test-sale">${words.makeTestSale}</a></p></section>`
}

/** Returns the section with the button that sends a test notification, and what came of the last one. */
function notificationHtml(
  { testNotification }: PageParts,
  request: FastifyRequest,
  { notification: last }: LastTests,
): string {
  const { title, intro, last: lastOne, button } = TEXTS.testNotification
  if (testNotification === null) return html`<section><h2>${title}</h2><p>${words.notificationsOff}</p></section>`
  const result = last === null ? '' : html`<p>${lastOne} !${timeHtml(last.at)}: ${last.detail}.</p>`
  return html`<section><h2>${title}</h2><p>${intro}</p>!${result}
<form method="post" action="${request.site.base}/test-notification" class="actions">!${csrfField(request)}<button class="second">${button}</button></form></section>`
}

/** Returns what the checks found: each problem with its cure, and below them all checks. */
function checksHtml({ at, results }: ChecksRun): string {
  const counts = STATUSES.flatMap((status) => {
    const count = results.filter((one) => one.status === status).length
    return count === 0 ? [] : [fill(words.counts[status], { count: numberText(count) })]
  })
  const found = results.flatMap(({ problems }) => problems)
  const problems = found.toSorted((a, b) => STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status))
  const rows = results.map(({ id, about, status, detail, problems: own }) => [
    html`<code>${id}</code>`,
    html`<div>${detail ?? (own.length > 0 ? own.map(({ message }) => message).join(' ') : about)}</div>`,
    html`<span class="check ${status}">${words.statuses[status]}</span>`,
  ])
  return html`<p role="status">${counts.join(', ')}. <span class="quiet">${words.checked} !${agoHtml(at)}</span></p>
!${problems.map(problemHtml).join('')}
<details class="more"><summary>${words.all}</summary>!${listTable({ columns: words.columns, rows })}</details>`
}

function problemHtml({ status, message, fix }: ChecksRun['results'][number]['problems'][number]): string {
  const tutor = fix.tutor === null ? '' : html`<p><strong>${words.tutor}</strong> !${withCodeHtml(fix.tutor)}</p>`
  return html`<div class="note ${status === 'failure' ? 'bad' : 'warning'}"><p>${message}</p>
<p><strong>${words.cure}</strong> !${withCodeHtml(fix.plain)}</p>!${tutor}</div>`
}

/** Returns the section for the shop's developers: addresses, signatures, and what is turned on. Never a secret. */
function shopHtml(
  { isPublic, refunds, shopEvents, secrets }: PageParts,
  { site: { base, origin }, senders, forms }: { site: Site; senders: SendersView; forms: readonly FormLately[] },
): string {
  const at = origin + base.slice(0, -CONSOLE_PATH.length)
  const address = (path: string): string => html`<code>${at}${path}</code>`
  const events = html`${shopEvents !== null ? words.eventsOn : words.eventsOff} <a href="${base}/events">${TEXTS.nav.events}</a>`
  const rows = [
    [words.webhook, html`!${address('/api/lernito/webhook/')}`],
    [words.status, address('/api/lernito/status/')],
    [words.refund, refunds ? address('/api/lernito/refund/') : html`${words.refundsOff}`],
    [words.events, events],
    [words.form, formsHtml(forms)],
    [words.secret, secretHtml(senders, secrets.length > 1)],
    [words.refused, refusedHtml(senders, base)],
  ] as const
  const local = isPublic ? '' : html`<p class="note warning">${words.local}</p>`
  return html`<section><h2>${words.shop}</h2>!${local}!${factsHtml(rows)}</section>`
}

/** Returns the section about who may sign in to the console. */
function operatorsHtml({ isPublic, lmsUrl }: PageParts, site: Site): string {
  const rows = [
    [words.whoMay, html`${words.staffOf} <a href="${lmsUrl}/">${lmsUrl}</a>`],
    [words.console, html`<code>${site.origin}${site.base}/</code>`],
    [words.callback, html`<code>${callbackOf(site)}</code>`],
    [words.publicUrl, html`${isPublic ? words.isSet : words.isNotSet}`],
  ] as const
  return html`<section><h2>${words.operators}</h2>!${factsHtml(rows)}</section>`
}

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
