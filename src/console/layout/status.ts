import { html } from 'ghtml'
import { type BreakerState, isOpen } from '../../enroll/breakers/breaker-state.ts'
import type { BacklogCounts } from '../../operators/reports/counts.ts'
import { isFailing } from '../../operators/reports/outbox.ts'
import { shareReads } from '../../service/lib/share-reads.ts'
import { wrongNow } from '../../shop/senders/view.ts'
import type { PageParts } from '../parts.ts'
import type { Session } from '../session/sessions.ts'
import { refreshes } from './elements.ts'
import { fillCount, numberText, timeHtml, unsentText } from './format.ts'
import { queryOf, sessionOf } from './request.ts'
import { sendHtml } from './send-html.ts'
import { fill, TEXTS } from './texts.ts'

const words = TEXTS.status
/** Every page reads the counts, so pages that are shown within this time share them: ms. */
const KEPT_MS = 1000

declare module 'fastify' {
  interface FastifyRequest {
    /** null on pages without a session. */
    status: ConsoleStatus | null
  }
}

/** What waits for a person: deliveries by state, webhooks with a wrong signature, and events that the shop doesn't get. */
interface Badges extends BacklogCounts {
  readonly refused: number
  readonly events: string
}

interface ConsoleStatus {
  /** null while the database can't be read. */
  readonly counts: Badges | null
  readonly breaker: BreakerState
  /** The unused share of the call budget, from 0 to 1. */
  readonly budget: number
}

const PAGES = [
  { path: '/', label: TEXTS.overview.title },
  { path: '/deliveries', label: TEXTS.deliveries.title },
  {
    path: '/deliveries?state=needs_attention',
    label: TEXTS.states.needs_attention,
    count: 'needs_attention',
    sub: true,
  },
  { path: '/deliveries?state=pre_enrolled', label: TEXTS.chart.pre_enrolled, count: 'pre_enrolled', sub: true },
  { path: '/people', label: TEXTS.people.title },
  { path: '/courses', label: TEXTS.courses.title },
  { path: '/refused', label: TEXTS.refused.title, count: 'refused', group: TEXTS.nav.connection },
  { path: '/events', label: TEXTS.shopEvents.title, count: 'events' },
  { path: '/incidents', label: TEXTS.incidents.title },
  { path: '/changes', label: TEXTS.changes.title },
  { path: '/signature', label: TEXTS.signature.title, group: TEXTS.nav.installation },
  { path: '/setup', label: TEXTS.setup.title },
] as const satisfies readonly { path: string; label: string; count?: keyof Badges; sub?: true; group?: string }[]

/** A page of the menu, by its path below the console's base. */
export type MenuPath = (typeof PAGES)[number]['path']

/** Returns the page of the menu with this path; undefined if there is none. */
export const menuPath = (path: string): MenuPath | undefined => PAGES.find((one) => one.path === path)?.path

/**
 * Returns the menu, with how many deliveries need a person. It is updated with the line about the LMS. A narrow screen
 * shows it when the button of the header is pressed, which needs no script.
 * @param of.counts null if they can't be read now
 */
export function navigationHtml(of: { session: Session; current: MenuPath | undefined; counts: Badges | null }): string {
  const { session, current, counts } = of
  const links = PAGES.map((one) => {
    const badge = counts !== null && 'count' in one ? countHtml(counts[one.count], one.count) : ''
    const mark = one.path === current ? ' aria-current="page"' : ''
    const group = 'group' in one ? html`<li class="menu-group">${one.group}</li>` : ''
    return html`!${group}<li!${'sub' in one ? ' class="sub"' : ''}><a href="~${one.path}"!${mark}>${one.label}!${badge}</a></li>`
  })
  return html`<nav aria-label="${TEXTS.nav.label}" class="side" id="pages" popover><a class="name" href="~/">${TEXTS.product}</a>
<ul id="menu">!${links.join('\n')}</ul>
<form method="post" action="~/sign-out" class="who"><span>${session.username}</span> <button class="plain">${TEXTS.nav.signOut}</button> <button type="button" class="plain" popovertarget="keys" data-scripted hidden>${TEXTS.keys.title}</button></form></nav>`
}

/** That buyers have not registered yet is no fault. */
const countHtml = (count: number | string, of: keyof Badges): string => {
  const text = typeof count === 'string' ? count : numberText(count)
  return text === '0' ? '' : html` <span class="count ${of === 'pre_enrolled' ? '' : 'bad'}">${text}</span>`
}

/**
 * Returns the line about the LMS, the queue and the call budget; it updates itself, and the menu.
 * @param of.current the page of the menu that is shown
 */
export function healthHtml(of: { status: ConsoleStatus; current: MenuPath | undefined }): string {
  const { counts, breaker, budget } = of.status
  const { kind } = breaker
  const since = isOpen(breaker) ? html` ${words.since} !${timeHtml(breaker.since)}` : ''
  const queued =
    counts === null
      ? ''
      : html`<a href="~/deliveries?state=queued">${fillCount(TEXTS.counts.queued, counts.queued)}</a>`
  const used = fill(words.budget, { percent: `${Math.round((1 - budget) * 100)}` })
  const url = `~/status?page=${encodeURIComponent(of.current ?? '')}`
  return html`<div id="health" !${refreshes({ url, id: 'health', seconds: 10 })}>
<span class="breaker ${kind}">${words.lms[kind]}!${since}</span> !${queued} <span>${used}</span></div>`
}

/** Gives each page of a signed-in operator the status, and adds the fragment that keeps it up to date. */
export function addStatus({ scope, operations, readSenders, shopEvents, breaker, budget, now }: PageParts): void {
  const badges = async (): Promise<Badges> => {
    const [counts, { refused }, events] = await Promise.all([
      operations.backlog(),
      readSenders(),
      shopEvents?.health() ?? null,
    ])
    const unsent = events !== null && isFailing(events, now()) ? [events.pending, events.failed] : []
    return { ...counts, refused: wrongNow(refused, now())?.count ?? 0, events: unsentText(...unsent) }
  }
  // The page itself says what is wrong with the database.
  const counts = shareReads({ read: () => badges().catch(() => null), forMs: KEPT_MS, now })

  const read = async (): Promise<ConsoleStatus> => ({
    counts: await counts(),
    breaker: breaker.state(),
    budget: budget.fullness(),
  })

  scope.decorateRequest('status', null)
  scope.addHook('preHandler', async (request) => {
    if (request.session !== null) request.status = await read()
  })

  scope.get('/status', async (request, reply) => {
    const current = menuPath(queryOf(request).get('page') ?? '')
    const status = await read()
    const menu = navigationHtml({ session: sessionOf(request), current, counts: status.counts })
    return sendHtml(reply, menu + healthHtml({ status, current }))
  })
}
