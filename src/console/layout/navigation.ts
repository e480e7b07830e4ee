import { html } from 'ghtml'
import type { BacklogCounts } from '../../operators/reports/counts.ts'
import type { Session } from '../session/sessions.ts'
import { numberText } from './format.ts'
import { refreshes } from './refresh.ts'
import { TEXTS } from './texts.ts'

const PAGES = [
  { path: '/', label: TEXTS.nav.overview },
  { path: '/deliveries', label: TEXTS.nav.deliveries },
  { path: '/deliveries?state=needs_attention', label: TEXTS.nav.needsAttention, count: 'needs_attention' },
  { path: '/deliveries?state=pre_enrolled', label: TEXTS.nav.preEnrolled, count: 'pre_enrolled' },
  { path: '/people', label: TEXTS.nav.people },
  { path: '/refused', label: TEXTS.nav.refused },
  { path: '/events', label: TEXTS.nav.events },
  { path: '/incidents', label: TEXTS.nav.incidents },
  { path: '/changes', label: TEXTS.nav.changes },
  { path: '/signature', label: TEXTS.nav.signature },
  { path: '/setup', label: TEXTS.nav.setup },
] as const satisfies readonly { path: string; label: string; count?: keyof BacklogCounts }[]

/** A page of the menu, by its path below the console's base. */
export type MenuPath = (typeof PAGES)[number]['path']

/** Returns the page of the menu with this path; undefined if there is none. */
export const menuPath = (path: string): MenuPath | undefined => PAGES.find((one) => one.path === path)?.path

/**
 * Returns the menu, with how many deliveries need a person; it updates itself.
 * @param of.counts null if they can't be read now
 * @param of.csrf the hidden field of the sign-out form, as HTML
 */
export function navigationHtml(of: {
  base: string
  session: Session
  current: MenuPath | undefined
  counts: BacklogCounts | null
  csrf: string
}): string {
  const { base, session, current, counts, csrf } = of
  const links = PAGES.map((one) => {
    const badge = counts !== null && 'count' in one ? countHtml(counts[one.count], one.count) : ''
    const mark = one.path === current ? ' aria-current="page"' : ''
    return html`<li><a href="${base}${one.path}"!${mark}>${one.label}!${badge}</a></li>`
  })
  const refresh = `${base}/status?page=${encodeURIComponent(current ?? '')}`
  return html`<nav aria-label="${TEXTS.nav.label}" class="side"><a class="name" href="${base}/">${TEXTS.product}</a>
<ul id="menu" !${refreshes({ url: refresh, id: 'menu', seconds: 15 })}>!${links.join('\n')}</ul>
<form method="post" action="${base}/sign-out" class="who">!${csrf}<span>${session.username}</span> <button class="plain">${TEXTS.nav.signOut}</button></form></nav>`
}

const countHtml = (count: number, of: keyof BacklogCounts): string =>
  count === 0 ? '' : html` <span class="count ${of === 'needs_attention' ? 'bad' : ''}">${numberText(count)}</span>`
