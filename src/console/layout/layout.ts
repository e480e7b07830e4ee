import type { FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Session } from '../session/sessions.ts'
import { ownPath, pageOf, signInUrl } from '../session/site.ts'
import { sendHtml } from './send-html.ts'
import { fileUrl, SCRIPTS } from './static-files.ts'
import { healthHtml, type MenuPath, navigationHtml } from './status.ts'
import { TEXTS } from './texts.ts'

/**
 * htmx adds no style, which the policy forbids. Going back reloads a page. An update leaves open what a reader opened, and
 * changes what is in a live region without replacing the region, because a screen reader does not read a new one.
 */
const HTMX = JSON.stringify({
  includeIndicatorCSS: false,
  history: 'reload',
  defaultSwap: 'outerMorph',
  morphIgnore: ['data-htmx-powered', 'open'],
})

/** A page above this one, for the way back. `path` is below the console's base. */
export interface Crumb {
  readonly path: string
  readonly label: string
}

/** What a page has besides what its request tells. */
export interface Page {
  /** 200 if there is none. */
  readonly status?: number
  readonly title: string
  /** What is the case with what it shows, for the title of its tab; '' or none: nothing. */
  readonly state?: string
  /** Escaped HTML. */
  readonly main: string
  /** The page of the menu that this page belongs to. */
  readonly current?: MenuPath
  /** The pages above this one, the topmost first. */
  readonly crumbs?: readonly Crumb[]
  /** Escaped HTML beside the title. */
  readonly aside?: string
  /** Escaped HTML below the title. */
  readonly intro?: string
  /** On the list of deliveries, which searches itself: the text in the search field, which belongs to the form of the filters. */
  readonly search?: string
}

interface Sent extends Page {
  readonly reply: FastifyReply
}

/** The menu beside the page, and the search above it. Without a session, only the name of the product. */
function frameHtml({ reply, current, search }: Sent): { side: string; top: string } {
  const { session, status } = reply.request
  if (session === null) {
    return { side: '', top: html`<header class="plain"><a class="name" href="~/">${TEXTS.product}</a></header>` }
  }
  const side = navigationHtml({ session, current, counts: status?.counts ?? null })
  const health = status === null ? '' : healthHtml({ status, current })
  return {
    side,
    top: html`<header class="top"><button type="button" class="second menu-button" popovertarget="pages">${TEXTS.nav.open}</button>!${searchHtml({ session, search })}!${health}!${updatesHtml(reply.request)}</header>`,
  }
}

/** What live.js shows when the updates of a page wait or have stopped. It fills in the time. */
function updatesHtml({ site, url }: FastifyRequest): string {
  const { waiting, stopped, signedOut, signIn } = TEXTS.updates
  const time = html`<span data-since></span>`
  const link = html`<a href="${signInUrl(site, pageOf(site, ownPath(site, url)))}" data-sign-in>${signIn}</a>`
  return html`<div class="updates" aria-live="polite"><p data-updates="waiting" class="quiet" hidden>${waiting} !${time}.</p>
<p data-updates="stopped" class="stopped" hidden>${stopped} !${time}.</p>
<p data-updates="signed-out" class="stopped" hidden>${signedOut} !${time}. !${link}</p></div>`
}

/**
 * The search field. While an operator types, the page shows what is found; see palette.js. Enter leads to the list of
 * deliveries, also without JavaScript. On that list, the field belongs to the list's own form, and the list follows it.
 */
function searchHtml({ session, search }: { session: Session; search: Page['search'] }): string {
  const { label, everything, hint, key } = TEXTS.search
  const own = search === undefined ? paletteAttributes(session) : ' form="filters"'
  const field = html`<label for="q" class="unseen">${search === undefined ? everything : label}</label><input type="search" id="q" name="q" value="${search ?? ''}" placeholder="${search === undefined ? everything : hint}" maxlength="300" autocomplete="off" spellcheck="false" aria-keyshortcuts="/"!${own}><kbd>${key}</kbd>`
  if (search !== undefined) {
    return html`<div role="search">!${field}</div><a class="skip" href="#found">${TEXTS.search.skip}</a>`
  }
  const keys = TEXTS.palette.keys.map(([name, does]) => html`<span><kbd>${name}</kbd> ${does}</span>`)
  return html`<form method="get" action="~/deliveries" role="search" id="palette">!${field}
<p class="unseen" role="status" id="hits-said"></p>
<div id="hits" hidden><div id="hits-found"></div><p class="keys">!${keys.join(' ')}</p></div></form>`
}

/** The answer becomes the content of the list below the field. A new letter ends the request for the text before it. */
const paletteAttributes = ({ csrf }: Session): string =>
  html` hx-post="~/search" hx-trigger="input changed delay:150ms" hx-sync="this:replace" hx-vals="${JSON.stringify({ csrf })}" hx-target="#hits-found" hx-swap="innerHTML" hx-status:4xx="swap:none" hx-status:5xx="swap:none"`

const crumbsHtml = (crumbs: readonly Crumb[]): string =>
  crumbs.length === 0
    ? ''
    : html`<nav aria-label="${TEXTS.breadcrumbs}" class="crumbs"><ol>!${crumbs.map(({ path, label }) => html`<li><a href="~${path}"><bdi>${label}</bdi></a></li>`).join('')}</ol></nav>`

/** The keys that scripts know. The browser itself opens the list, so that it has the focus and Escape closes it. */
function keysHtml(): string {
  const { title, list, characters, close } = TEXTS.keys
  const rows = list.map(([name = '', does = '']) => html`<div><dt><kbd>${name}</kbd></dt><dd>${does}</dd></div>`)
  return html`<div popover id="keys" class="dialog" role="dialog" tabindex="-1" autofocus aria-labelledby="keys-title"><h2 id="keys-title">${title}</h2><dl class="facts keys-list">!${rows.join('')}</dl>
<p><input type="checkbox" id="character-keys" checked> <label for="character-keys">${characters}</label></p>
<p class="actions"><button type="button" class="second" popovertarget="keys" popovertargetaction="hide">${close}</button></p></div>`
}

function pageHtml(of: Sent): string {
  const { reply, title, state = '', main, crumbs = [], intro, aside } = of
  const { session, zone, method, routeOptions } = reply.request
  const isAnswer = method === 'POST' || routeOptions.config.once
  const file = (name: string): string => `~${fileUrl(name)}`
  const { side, top } = frameHtml(of)
  const heading = html`<h1><bdi>${title}</bdi></h1>`
  const warning =
    session === null || session.confirmed ? '' : html`<p class="note warning" role="status">${TEXTS.unconfirmed}</p>`
  return html`<!DOCTYPE html>
<html lang="en" data-zone="${zone.name}"!${isAnswer ? ' data-answer' : ''}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="htmx-config" content="${HTMX}">
<title>${[title, state, crumbs[0]?.label ?? '', TEXTS.product].filter((text) => text !== '').join(' · ')}</title>
<link rel="icon" href="${file('icon.svg')}">
<link rel="stylesheet" href="${file('console.css')}">
!${SCRIPTS.map((name) => html`<script src="${file(name)}" defer></script>`).join('\n')}
</head>
<body>
<a class="skip" href="#main">${TEXTS.skip}</a>
!${session === null ? '' : keysHtml()}
<div class="!${session === null ? 'open' : 'shell'}">!${side}<div class="page">!${top}
<main id="main" tabindex="-1">
!${warning}!${session === null ? '' : html`<p id="restored" class="note" role="status" data-lost="${TEXTS.kept.lost}" hidden>${TEXTS.kept.restored}</p>`}!${crumbsHtml(crumbs)}!${aside === undefined ? heading : html`<div class="title">!${heading}!${aside}</div>`}
!${intro === undefined ? '' : html`<p class="intro">!${intro}</p>`}
!${main}
!${session === null ? '' : html`<p class="zone quiet">${TEXTS.zone} ${zone.name}</p>`}
</main></div></div>
</body>
</html>
`
}

/** Answers with a complete page. */
export function sendPage(of: Sent): FastifyReply {
  const { reply, status = 200 } = of
  return sendHtml(reply.code(status), pageHtml(of))
}

/** Answers with a message, and a link to the next step. */
export function sendMessage(of: Omit<Sent, 'main'> & { text: string; action: string; link: string }): FastifyReply {
  const { text, action, link, ...page } = of
  return sendPage({ ...page, main: html`<p>${text}</p><p><a class="button" href="${link}">${action}</a></p>` })
}
