import { createSessions } from '../src/console/session/sessions.ts'
import type { Database } from '../src/database/dialect.ts'
import { courseKey, emailOf } from './world.ts'

/**
 * What an operator opens: the query of a list, or the path of another page. `{id}` is one delivery's id. The page of a
 * withdrawal is left out: it waits for the LMS.
 */
export const PAGES: Readonly<Record<string, string>> = {
  overview: '/',
  'overview by hour': '/?by=hour',
  'a delivery': '/deliveries/{id}',
  'its correction': '/deliveries/{id}/correct',
  changes: '/changes',
  incidents: '/incidents',
  refused: '/refused',
  'bulk replay, before it starts': '/replay?state=needs_attention',
  ...Object.fromEntries(
    Object.entries({
      all: {},
      'an address': { q: emailOf(7) },
      'the beginning of an address': { q: 'buyer123' },
      'a course': { q: courseKey(7) },
      'needs attention': { state: 'needs_attention' },
      'pre-enrolled': { state: 'pre_enrolled' },
      enrolled: { state: 'enrolled' },
      'a course, needs attention': { q: courseKey(7), state: 'needs_attention' },
      'a cause': { state: 'needs_attention', cause: 'course.missing', about: courseKey(7) },
      'a rare name': { q: 'byron77' },
      'a name of old buyers only': { q: 'curie' },
      'a name of one in 50': { q: 'Hopper' },
      'a name of nearly all': { q: 'lovelace' },
      'a domain of all': { q: '@example.com' },
      'two names, one of all': { q: 'lovelace byron77' },
      'a name of all, needs attention': { q: 'ada', state: 'needs_attention' },
      'a name of all, rejected (none)': { q: 'ada', state: 'rejected' },
      'a beginning of all names': { q: 'b' },
      'a fragment of a course key': { q: courseKey(7).slice(-9) },
      'a fragment of all course keys': { q: 'course-v1' },
      nothing: { q: 'nobody.like@this' },
    }).map(([name, query]) => [`list: ${name}`, `/deliveries?${new URLSearchParams(query)}`]),
  ),
}

/** Stores a session of an operator, so that the bench needs no sign-in. Returns the cookie. */
export async function operatorCookie({ db }: Pick<Database, 'db'>): Promise<string> {
  const renew = () => Promise.reject(new Error('the session of the bench is new'))
  const sessions = createSessions({ db, guard: (work) => work(), signIn: { renew }, now: Date.now, onEnded: () => {} })
  return `lernito_console=${await sessions.begin({ username: 'bench', administrator: true, refreshToken: null })}`
}

/** Opens a page of the console, and reads all of it. Resolves to the time that it took, in ms. */
export async function timeOfPage(of: { url: string; path: string; cookie: string }): Promise<number> {
  const began = performance.now()
  const answer = await fetch(`${of.url}/lernito/console${of.path}`, {
    headers: { cookie: of.cookie },
    redirect: 'manual',
  })
  await answer.text()
  if (answer.status !== 200) throw new Error(`${of.path} answered ${answer.status}`)
  return performance.now() - began
}
