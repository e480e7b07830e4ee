import { html } from 'ghtml'
import { UNSENT_MAX } from '../../queue/outbox/send-again.ts'
import { canBeCourse } from '../../sale/course-key.ts'
import type { DeliveryState, Source } from '../../sale/types.ts'
import { formText } from '../../sale/words.ts'
import { fill, TEXTS, textNamed } from './texts.ts'
import { DAY_MS, HOUR_MS, type Look, zoneOf } from './zone.ts'

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS

const UTC = zoneOf('UTC')
const NUMBER = new Intl.NumberFormat('en')

/**
 * Returns a time (ms since 1970) in UTC, to the minute or the second, or without its day (`clock`, and to the second `time`,
 * which stands in a list that names the day), or only the day (`date`). The page is sent with it in the reader's zone; see
 * timesIn. The script times.js adds the full time on hover, and writes `ago` as the time since then: `4 min ago`.
 */
export function timeHtml(ms: number, to: Look = 'minutes'): string {
  return html`<time datetime="${new Date(ms).toISOString()}" data-look="${to}">${UTC.format(to, ms)}${to === 'time' ? '' : ' UTC'}</time>`
}

/** A count of this age is not the one that was asked for, ms. */
const AGED_MS = 2_000

/** Says how old a count is, if it took so long that the page shows the one before. Both times are ms since 1970. */
export const countedHtml = (at: number, now: number): string =>
  now - at < AGED_MS ? '' : html`<p class="quiet">${TEXTS.counted} !${timeHtml(at, 'ago')}.</p>`

/** A time within a sentence: `09:31 on 28 Nov 2026`. */
export const saidHtml = (ms: number): string =>
  html`<time datetime="${new Date(ms).toISOString()}" data-look="clock">${UTC.format('clock', ms)}</time> on !${timeHtml(ms, 'date')}`

/** Writes 1234 as `1,234`. */
export const numberText = (count: number): string => NUMBER.format(count)

/** Writes how many events the shop does not have, which is the sum of these counts: `10,000+` where one of them stopped. */
export const unsentText = (...counts: readonly number[]): string =>
  numberText(counts.reduce((sum, count) => sum + count, 0)) + (counts.some((count) => count >= UNSENT_MAX) ? '+' : '')

/** Fills a text with a number, its `count`: one text for every number, or one for one of something and one for others. */
export const fillCount = (
  text: string | { readonly one: string; readonly many: string },
  count: number,
  values: Readonly<Record<string, string>> = {},
): string => {
  const counted = typeof text === 'string' ? text : count === 1 ? text.one : text.many
  return fill(counted, { count: numberText(count), ...values })
}

const UNITS = [
  [DAY_MS, 'day'],
  [HOUR_MS, 'hour'],
  [MINUTE_MS, 'minute'],
  [SECOND_MS, 'second'],
] as const

/** Writes a duration (ms) in its two largest units, without those that are zero. */
export function durationText(ms: number): string {
  const first = UNITS.findIndex(([length]) => ms >= length)
  if (first === -1) return TEXTS.units.instant
  const parts = UNITS.slice(first, first + 2).flatMap(([length, name], index) => {
    const count = Math.floor((index === 0 ? ms : ms % (UNITS[first]?.[0] ?? ms)) / length)
    return count === 0 ? [] : [`${count} ${TEXTS.units[name]}`]
  })
  return parts.join(' ')
}

/** The word carries the meaning; the color only helps to find it. */
export const stateHtml = (state: DeliveryState): string =>
  html`<span class="state ${state}">${TEXTS.states[state]}</span>`

/** Marks a test sale; '' for all others. */
export const testHtml = (source: Source): string =>
  source === 'test' ? html`<span class="state test">${TEXTS.test}</span>` : ''

/** The page of a course in the LMS; null for a text that can't be its key, or would lead to another page of the LMS. */
export function courseUrl(key: string, lmsUrl: string): string | null {
  if (!canBeCourse(key)) return null
  const path = encodeURIComponent(key).replaceAll('%2B', '+').replaceAll('%3A', ':').replaceAll('%2F', '/')
  return `${lmsUrl}/courses/${path}/about`
}

/** How a webhook was signed, in two words; the form of the signed text shows on hover. */
export function signatureHtml(form: string): string {
  return html`<span title="${formText(form)}">${textNamed(TEXTS.signature.forms, form) ?? form}</span>`
}

/** Returns the address of the LMS's page about a person's enrollments, which accepts an e-mail address or a username. */
export const supportUrl = (email: string, lmsUrl: string): string =>
  `${lmsUrl}/support/enrollment?user=${encodeURIComponent(email)}`

/** Escapes a text in which commands and names are between backticks, as doctor writes them. */
export const withCodeHtml = (text: string): string =>
  text
    .split('`')
    .map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : html`${part}`))
    .join('')
