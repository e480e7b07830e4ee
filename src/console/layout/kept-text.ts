import type { FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { ownPath, pageOf } from '../session/site.ts'
import { sendPage } from './layout.ts'
import { formOf } from './request.ts'
import { TEXTS } from './texts.ts'

const words = TEXTS.kept

/**
 * Refuses a form, and leads back to the page that it is on; if there is no session, by way of the sign-in. The text that
 * an operator typed is shown to be copied, and keep.js puts it back into the page.
 * @param of.showsText whether the form came from the console. Another site could otherwise have its text put into a form.
 */
export function sendRefusal(of: {
  reply: FastifyReply
  status: number
  message: { readonly title: string; readonly text: string; readonly action: string }
  showsText: boolean
}): FastifyReply {
  const { reply, status, message, showsText } = of
  const { request } = reply
  const page = pageBefore(request)
  const main = html`<p>${message.text}</p>!${showsText ? textHtml(request, page) : ''}
<p><a class="button" href="${request.site.origin}${page}">${message.action}</a></p>`
  return sendPage({ reply, status, title: message.title, main })
}

/** The page that the form is on, as path and query; the overview if the browser does not tell. */
function pageBefore({ site, headers }: FastifyRequest): string {
  const before = headers.referer ?? ''
  if (!URL.canParse(before)) return pageOf(site, '')
  const { origin, pathname, search } = new URL(before)
  return pageOf(site, origin === site.origin ? pathname + search : '')
}

/** What an operator typed into a form, each field with its name; '' if it has no such field. */
function textHtml(request: FastifyRequest, page: string): string {
  const { site, url } = request
  const form = formOf(request)
  const fields = Object.entries(words.fields).flatMap(([name, label]) => {
    const value = form.get(name) ?? ''
    if (value.trim() === '') return []
    const rows = Math.min(10, 1 + value.split('\n').length)
    return html`<label for="kept-${name}">${label}</label><textarea id="kept-${name}" name="${name}" rows="${rows}" cols="60" readonly>
${value}</textarea>`
  })
  if (fields.length === 0) return ''
  const { pathname } = new URL(page, site.origin)
  const [action = ''] = ownPath(site, url).split('?')
  return html`<section id="kept" class="stack" data-page="${pathname}" data-action="${action}"><h2>${words.title}</h2><p>${words.copy} <span data-scripted hidden>${words.returns}</span></p>!${fields.join('\n')}</section>`
}
