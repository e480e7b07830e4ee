import type { FastifyReply, FastifyRequest } from 'fastify'
import { escaped } from '../../service/lib/sanitize.ts'
import { hiddenFields } from './elements.ts'
import { timesIn } from './zone.ts'

/**
 * Answers with a page or a part of one, after writing into it what only the request knows:
 *
 * - the path of the console instead of `~` at the beginning of an address of its own,
 * - the reader's zone into its times,
 * - the token that the guard asks for into each form with a change.
 *
 * No text that a sender chose can pass for one of these: its quotation marks and `<` are escaped, and it is no whole address.
 * @param html escaped
 */
export function sendHtml(reply: FastifyReply, html: string): FastifyReply {
  const { site, zone, session } = reply.request
  const page = showHidden(html).replaceAll(OWN_ADDRESS, (_all, name: string) => ` ${name}="${site.base}/`)
  return reply.type('text/html; charset=utf-8').send(timesIn(zone, withTokens(page, session)))
}

/** In other attributes, such as the value of a field, the same characters are a text. */
const OWN_ADDRESS = / (href|src|action|formaction|hx-get|hx-post)="~\//g

/**
 * Characters that a browser acts on or hides: control characters, and those that turn the direction of a text. Senders
 * choose names and addresses, and the LMS its messages. Not the two that join letters, which names need.
 */
const HIDDEN = /value="[^"]*"|(?![\n\r\t])[\p{Cc}\p{Bidi_C}\u00ad\u200b\u2028\u2029\u2060\ufeff]/gu

/** Shows such characters as `\uXXXX`, but not in the values of forms, which are sent back as they are. */
const showHidden = (page: string): string =>
  page.replace(HIDDEN, (found) => (found.length > 1 ? found : escaped(found)))

const withTokens = (page: string, session: FastifyRequest['session']): string =>
  session === null
    ? page
    : page.replaceAll(/<form method="post"[^>]*>/g, (form) => form + hiddenFields({ csrf: session.csrf }))
