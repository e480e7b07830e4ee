import type { FastifyReply } from 'fastify'
import { html } from 'ghtml'
import type { Session } from '../session/sessions.ts'
import type { Site } from '../session/site.ts'
import { fileUrl } from './static-files.ts'
import { TEXTS } from './texts.ts'

/** htmx adds no style, which the policy forbids. Going back reloads a page. */
const HTMX = 'includeIndicatorCSS:false, history:reload, defaultSwap:outerHTML'

const PAGES = [
  { path: '/', label: TEXTS.nav.overview },
  { path: '/deliveries', label: TEXTS.nav.deliveries },
  { path: '/people', label: TEXTS.nav.people },
  { path: '/refused', label: TEXTS.nav.refused },
  { path: '/events', label: TEXTS.nav.events },
  { path: '/changes', label: TEXTS.nav.changes },
  { path: '/signature', label: TEXTS.nav.signature },
] as const

export interface Page {
  readonly site: Site
  /** Who is signed in; null for pages that need no session. */
  readonly session: Session | null
  readonly title: string
  /** Escaped HTML. */
  readonly main: string
  /** The page of the menu that this page belongs to. */
  readonly current?: (typeof PAGES)[number]['path']
}

function menu({ site, session, current }: Page): string {
  if (session === null) return ''
  const links = PAGES.map(
    ({ path, label }) =>
      html`<li><a href="${site.base}${path}"!${path === current ? ' aria-current="page"' : ''}>${label}</a></li>`,
  )
  return html`<nav aria-label="${TEXTS.nav.label}"><ul>!${links.join('')}</ul></nav>
<form method="post" action="${site.base}/sign-out" class="who">
!${csrfField(session)}<span>${session.username}</span> <button class="plain">${TEXTS.nav.signOut}</button>
</form>`
}

/** Returns a complete page. */
export function page(of: Page): string {
  const { site, title, main, session } = of
  const file = (name: string): string => site.base + fileUrl(name)
  const warning =
    session === null || session.confirmed ? '' : html`<p class="note warning" role="status">${TEXTS.unconfirmed}</p>`
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="htmx-config" content="${HTMX}">
<title>${title} · ${TEXTS.product}</title>
<link rel="icon" href="${file('icon.svg')}">
<link rel="stylesheet" href="${file('console.css')}">
<script src="${file('htmx.js')}" defer></script>
<script src="${file('times.js')}" defer></script>
</head>
<body>
<a class="skip" href="#main">${TEXTS.skip}</a>
<header><a class="name" href="${site.base}/">${TEXTS.product}</a>!${menu(of)}</header>
<main id="main" tabindex="-1">
!${warning}<h1>${title}</h1>
!${main}
</main>
</body>
</html>
`
}

/** Answers with a complete page. */
export function sendPage({ reply, status = 200, ...of }: Page & { reply: FastifyReply; status?: number }) {
  return reply.code(status).type('text/html; charset=utf-8').send(page(of))
}

/** Returns a message with a link to the next step, if there is one. */
export function messagePage(of: { text: string; action?: string; link?: string }): string {
  const link = of.link === undefined ? '' : html`<p><a class="button" href="${of.link}">${of.action ?? of.link}</a></p>`
  return html`<p>${of.text}</p>!${link}`
}

/** Returns the field that every form with a change must have. */
export const csrfField = ({ csrf }: Session): string => html`<input type="hidden" name="csrf" value="${csrf}">`
