import type { FastifyReply } from 'fastify'
import { html } from 'ghtml'
import { send } from '../api/serve.ts'
import type { Person } from '../lms/people.ts'

const style = `
:root { color-scheme: light dark; --line: #8886; --accent: #06688f; --wrong: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --accent: #7cc7e8; --wrong: #ff9d94; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 44rem; padding: 0 1rem 3rem; font: 1rem/1.5 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: baseline; padding: 1rem 0; }
header strong { margin-right: auto; }
nav { display: flex; gap: 1.25rem; }
a { color: var(--accent); }
.note { margin: 0 0 1.5rem; padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .25rem; font-size: .9rem; }
.wrong { color: var(--wrong); font-weight: 600; }
h1 { line-height: 1.2; }
form { display: grid; gap: 1rem; max-width: 26rem; }
label { display: grid; gap: .25rem; font-weight: 600; }
input { font: inherit; font-weight: 400; padding: .5rem; border: 1px solid; border-radius: .25rem; width: 100%; }
button, .button { font: inherit; font-weight: 600; display: inline-block; padding: .55rem 1.1rem; border: 1px solid var(--accent);
  border-radius: .25rem; background: none; color: var(--accent); text-decoration: none; cursor: pointer; justify-self: start; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
ul.courses { list-style: none; padding: 0; display: grid; gap: .75rem; }
ul.courses li { border: 1px solid var(--line); border-radius: .25rem; padding: .75rem 1rem; }
code { overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; overflow-wrap: break-word; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
`

/** A complete page. `main` is escaped HTML; `person` is signed in. */
export function page({ title, person, main }: { title: string; person: Person | null; main: string }): string {
  const account = person
    ? html`<a href="/dashboard">Dashboard</a> <a href="/logout">Sign out</a>`
    : html`<a href="/register">Register</a> <a href="/login">Sign in</a>`
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Stand-in LMS</title>
<style>!${style}</style>
</head>
<body>
<header><strong><a href="/">Stand-in LMS</a></strong> <nav>!${account}</nav></header>
<p class="note">This stand-in LMS is for trying out lernito-openedx. It isn't Open edX, and it forgets everything when it stops.</p>
<main>
<h1>${title}</h1>
!${main}
</main>
</body>
</html>
`
}

/** A labeled input, with its error message next to it. */
export function field({
  name,
  label,
  type = 'text',
  value = '',
  autocomplete,
  error,
}: {
  name: string
  label: string
  type?: 'text' | 'email' | 'password'
  value?: string
  autocomplete: string
  error?: string | undefined
}): string {
  const problem = error ? html`<span class="wrong" id="${name}-error">${error}</span>` : ''
  const marks = error ? html`aria-invalid="true" aria-describedby="${name}-error"` : ''
  return html`<label>${label}
<input name="${name}" type="${type}" value="${value}" autocomplete="${autocomplete}" required !${marks}>
!${problem}</label>
`
}

/** Sends a page. Its policy forbids scripts and content from other servers. */
export function sendPage(reply: FastifyReply, status: number, body: string, headers: Record<string, string> = {}) {
  const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
  return send(reply, {
    status,
    headers: { 'content-security-policy': policy, 'cache-control': 'no-store', ...headers },
    body,
  })
}

/** Redirects the browser to another page. */
export function redirectTo(reply: FastifyReply, location: string, headers: Record<string, string> = {}) {
  return send(reply, { status: 302, headers: { location, ...headers }, body: '' })
}
