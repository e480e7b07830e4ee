import { html } from 'ghtml'

/**
 * The answer of a view. A string body is an HTML page, an object is JSON, and no body is an empty answer without a type.
 * With `rollsBack`, nothing of the call is kept although its status is below 500.
 */
export type Answer = { status: number; headers?: Record<string, string>; body?: unknown; rollsBack?: true }

const titles: Record<number, string> = {
  400: 'Bad Request',
  404: 'Page not found',
  429: 'Too Many Requests',
  500: 'Server error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

/** The HTML page that the LMS, or the proxy in front of it, sends instead of JSON. */
export function errorPage(status: number): Answer {
  const title = titles[status] ?? `Error ${status}`
  const page = html`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>
<body><h1>${title}</h1><p>This is the stand-in LMS of lernito-openedx. It answers like an Open edX LMS.</p></body></html>
`
  return { status, body: page }
}

/** The form of a refusal in this view: Django REST framework's `{"detail": …}`, or edX's `{"developer_message": …}`. */
export type ErrorStyle = 'detail' | 'developer_message'

export function notAuthenticated(
  style: ErrorStyle,
  message: string | { error_code: string; developer_message: string },
): Answer {
  const body = typeof message === 'string' ? { [style]: message } : message
  // Recorded: the enrollment list answers 401 without the header (oauth.json, 'call with no authorization').
  return { status: 401, body, ...(style === 'detail' ? { headers: { 'www-authenticate': 'JWT realm="api"' } } : {}) }
}

export function forbidden(style: ErrorStyle): Answer {
  return { status: 403, body: { [style]: 'You do not have permission to perform this action.' } }
}

/**
 * The answer 429 (recorded: throttle.json). Only views with the style `detail` send Retry-After. `seconds` is null if the
 * LMS names no time.
 */
export function throttled(style: ErrorStyle, seconds: number | null): Answer {
  if (seconds === null) return { status: 429, body: { [style]: 'Request was throttled.' } }
  const body = { [style]: `Request was throttled. Expected available in ${seconds} second${seconds === 1 ? '' : 's'}.` }
  return { status: 429, body, ...(style === 'detail' ? { headers: { 'retry-after': String(seconds) } } : {}) }
}

export function methodNotAllowed(style: ErrorStyle, method: string, allow: string): Answer {
  return { status: 405, headers: { allow }, body: { [style]: `Method "${method}" not allowed.` } }
}

/** A time in the LMS's format: `2026-11-24T15:12:51.825675Z`. Takes milliseconds since 1970. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z')
}

/** A time without its fraction: `2020-01-01T00:00:00Z`. Takes milliseconds since 1970, or a date as text. */
export function wholeSeconds(time: number | string): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, 'Z')
}
