import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { isDone } from '../../../sale/types.ts'
import { copyHtml, factsHtml, listTable, noticeHtml } from '../../layout/elements.ts'
import { fillCount, numberText, stateHtml, timeHtml, withCodeHtml } from '../../layout/format.ts'
import { sessionOf } from '../../layout/request.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { CHECK_STATUSES, type ChecksRun, type PageParts } from '../../parts.ts'
import { callbackOf, consoleUrl, serviceUrl } from '../../session/site.ts'
import { testSaleForm } from '../changes/test-sale-page.ts'
import { connectShop, type Step } from './connect-shop.ts'

const words = TEXTS.setup
const checkWords = TEXTS.checks
const PATH = '/setup'
/** How many of the latest changes are read, and how many sales by operators are looked at. */
const CHANGES = 200
const SALES = 5

/**
 * Adds the page of the first day: six steps from the LMS to the notifications, and the checks of doctor. Also adds its
 * form that sends a test notification: the answer is a page that says what the receiver answered.
 */
export function addSetup(parts: PageParts): void {
  const { scope, checks, testNotification } = parts
  scope.page(PATH, async ({ request, sent }) => {
    const [text, grade] = [sent?.get('notice') ?? null, sent?.get('grade') ?? '']
    const notice = text === null ? '' : noticeHtml({ request, grade, html: html`${text}` })
    const main = notice + (await pageHtml(parts, request, checks.last()))
    return { title: words.title, current: PATH, main }
  })

  // They change nothing.
  const runChecks = async () => {
    await checks.run()
    return { page: PATH, values: new URLSearchParams() }
  }
  scope.form(`${PATH}/checks`, runChecks, { unconfirmed: true })

  scope.form('/test-notification', async ({ by }) => {
    if (testNotification === null) return null
    const posted = await testNotification({ by })
    const notice = posted.ok
      ? fill(TEXTS.testNotification.sent, { status: String(posted.status) })
      : fill(TEXTS.testNotification.failed, { reason: posted.message })
    const values = new URLSearchParams({ notice, grade: posted.ok ? 'good' : 'warning' })
    return { page: PATH, values }
  })
}

async function pageHtml(parts: PageParts, request: FastifyRequest, run: ChecksRun | null): Promise<string> {
  const view = await readView(parts, run)
  const steps = [
    connectLms(parts, view),
    letOperatorsIn(parts, request),
    connectShop({ ...parts, ...view, at: serviceUrl(request.site), hasPreviousSecret: parts.secrets.length > 1 }),
    testSale(view),
    sendEvents(view),
    notify(parts, view),
  ]
  const action = `~${PATH}/checks`
  return html`<div class="setup-head">!${progressHtml(steps, run === null ? '' : countsHtml(run))}
<form method="post" action="${action}" hx-post="${action}" hx-target="#checks" hx-select="#checks" hx-select-oob="#connect-lms,#setup-progress"><button class="second">${TEXTS.checks.run}</button></form></div>
!${stepsHtml(steps)}
<section id="checks" aria-live="polite">!${run === null ? '' : checksHtml(run)}</section>`
}

/** How many steps are done, in a paragraph that an update of a step brings along. */
function progressHtml(steps: readonly Step[], checked: string): string {
  const done = numberText(steps.filter((step) => step.done).length)
  const all = numberText(steps.length)
  return html`<p class="intro" id="setup-progress">${fill(words.progress, { done, all })} !${checked}</p>`
}

function stepsHtml(steps: readonly Step[]): string {
  const next = steps.find(({ done }) => !done)
  const items = steps.map((step, index) => {
    const { id, title, done, aside, body } = step
    const kind = done ? 'done' : step === next ? 'now' : ''
    const tick = done ? html`<span class="unseen">${words.done}</span>` : html`${index + 1}`
    return html`<li id="${id}" class="step ${kind}"><span class="tick">!${tick}</span><div class="step-text"><h2>${title} <span class="aside">${aside}</span></h2>
!${body}</div></li>`
  })
  return html`<ol class="checklist">!${items.join('\n')}</ol>`
}

async function readView(parts: PageParts, run: ChecksRun | null) {
  const { readSenders, formsLately, readCatalogue, shopEvents } = parts
  const [senders, forms, last, catalogue, outbox] = await Promise.all([
    readSenders(),
    formsLately(),
    readLastTests(parts),
    readCatalogue(),
    shopEvents?.health() ?? null,
  ])
  return { run, senders, forms, last, catalogue, outbox, outage: parts.outage() }
}
type View = Awaited<ReturnType<typeof readView>>

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

/** The LMS is connected if the checks say so, or if it has told its courses and answers now. */
function connectLms({ lmsUrl }: PageParts, { run, catalogue, outage }: View): Step {
  const wrong = run?.results.filter(({ id, status }) => id.startsWith('lms') && status === 'failure').length ?? 0
  const hasAnswered = run !== null || (catalogue.checkedAt !== null && catalogue.failure === null)
  const done = hasAnswered && wrong === 0 && outage === null
  const { courses, checkedAt } = catalogue
  const read = checkedAt === null ? '' : html` ${fillCount(words.lms.courses, courses.length)}`
  return {
    id: 'connect-lms',
    title: words.lms.title,
    done,
    aside:
      outage !== null
        ? TEXTS.status.lms[outage.kind]
        : wrong > 0
          ? words.lms.wrong
          : done
            ? words.lms.done
            : words.lms.unchecked,
    body: html`<p class="quiet"><a href="${lmsUrl}/">${lmsUrl}</a>.!${read}</p>!${done ? '' : html`<p>${words.lms.check}</p>`}`,
  }
}

function letOperatorsIn({ lmsUrl }: PageParts, request: FastifyRequest): Step {
  const { site } = request
  const rows = [
    [words.operators.console, copyHtml({ id: 'copy-console', text: consoleUrl(site) })],
    [words.operators.callback, copyHtml({ id: 'copy-callback', text: callbackOf(site) })],
  ] as const
  return {
    id: 'operators',
    title: words.operators.title,
    done: true,
    aside: words.operators.aside,
    body: html`<p class="quiet">${fill(words.operators.text, { username: sessionOf(request).username, lms: lmsUrl })}</p>
<details class="more"><summary>${words.operators.addresses}</summary>!${factsHtml(rows)}</details>`,
  }
}

function testSale({ last: { sale }, catalogue }: View): Step {
  // It is to be withdrawn afterwards.
  const done = sale !== null && (isDone(sale.state) || (sale.state === 'withdrawn' && sale.doneAt !== null))
  const result =
    sale === null
      ? ''
      : html`<p>${words.test.last} <a href="~/deliveries/${sale.id}">!${timeHtml(sale.receivedAt)}</a> !${stateHtml(sale.state)}</p>`
  const form = testSaleForm({ courses: catalogue.courses })
  return {
    id: 'test-sale',
    title: words.test.title,
    done,
    aside: sale === null ? words.test.none : TEXTS.states[sale.state],
    body: html`<p class="quiet">${TEXTS.testSale.intro}</p>!${result}!${form}<p><a href="~/test-sale">${words.test.other}</a></p>`,
  }
}

function sendEvents({ outbox }: View): Step {
  const { title, text, more, prints } = words.results
  const secret = 'echo "LERNITO_EVENTS_SECRET=whsec_$(openssl rand -base64 32)"'
  const example = html`<p>${text}</p>!${factsHtml([
    [words.setting, copyHtml({ id: 'copy-events', text: 'LERNITO_EVENTS_URL=https://shop.example/hooks/enrollments' })],
    [prints, copyHtml({ id: 'copy-events-secret', text: secret })],
  ])}`
  const link = html`<p class="quiet">${more} <a href="~/events">${TEXTS.shopEvents.title}</a></p>`
  return {
    id: 'events',
    title,
    done: outbox !== null,
    aside: outbox === null ? words.off : words.on,
    body: outbox === null ? example : link,
  }
}

function notify({ testNotification }: PageParts, { last }: View): Step {
  const { title, text } = words.notify
  const { last: lastOne, button, intro } = TEXTS.testNotification
  const { notification } = last
  const result =
    notification === null ? '' : html`<p>${lastOne} !${timeHtml(notification.at)}: ${notification.detail}.</p>`
  const form = html`<p class="quiet">${intro}</p>!${result}
<form method="post" action="~/test-notification" class="actions"><button class="second">${button}</button></form>`
  const example = html`<p>${text}</p>!${factsHtml([[words.setting, copyHtml({ id: 'copy-notify', text: 'LERNITO_NOTIFY_URL=https://chat.example/hooks/…' })]])}`
  const isOn = testNotification !== null
  return { id: 'notifications', title, done: isOn, aside: isOn ? words.on : words.off, body: isOn ? form : example }
}

/** Returns how many checks found what: “1 problem, 7 fine, 16 skipped. Checked 1 min ago”. */
function countsHtml({ at, results }: ChecksRun): string {
  const counts = CHECK_STATUSES.flatMap((status) => {
    const count = results.filter((one) => one.status === status).length
    if (count === 0 && status !== 'failure') return []
    return [fillCount(checkWords.counts[status], count)]
  })
  return html`${counts.join(', ')}. <span class="quiet">${checkWords.checked} !${timeHtml(at, 'ago')}.</span>`
}

const CHECK_LOOKS = { failure: 'needs_attention', warning: 'pre_enrolled', ok: 'enrolled', skipped: 'handled' }

function checksHtml(run: ChecksRun): string {
  const found = run.results.flatMap(({ problems }) => problems)
  const problems = found.toSorted((a, b) => CHECK_STATUSES.indexOf(a.status) - CHECK_STATUSES.indexOf(b.status))
  const rows = run.results.map(({ id, about, status, detail, problems: own }) => [
    html`<code class="check-id">${id}</code>`,
    html`<div>${detail ?? (own.length > 0 ? own.map(({ message }) => message).join(' ') : about)}</div>`,
    html`<span class="state ${CHECK_LOOKS[status]}">${checkWords.statuses[status]}</span>`,
  ])
  return html`<h2>${checkWords.title}</h2><p>${checkWords.intro}</p><p role="status">!${countsHtml(run)}</p>
!${problems.map(problemHtml).join('')}
<details class="more"><summary>${checkWords.all}</summary>!${listTable({ columns: checkWords.columns, rows })}</details>`
}

function problemHtml({ status, message, fix }: ChecksRun['results'][number]['problems'][number]): string {
  const tutor = fix.tutor === null ? '' : html`<p><strong>${checkWords.tutor}</strong> !${withCodeHtml(fix.tutor)}</p>`
  return html`<div class="note ${status === 'failure' ? 'bad' : 'warning'}"><p>${message}</p>
<p><strong>${checkWords.cure}</strong> !${withCodeHtml(fix.plain)}</p>!${tutor}</div>`
}
