import { type Answer, errorPage } from '../lms/answers.ts'
import type { Person } from '../lms/people.ts'
import { fieldsOf } from './bodies.ts'
import type { Json } from './json.ts'
import type { Call, View } from './view.ts'

/**
 * POST /api/user/v1/accounts/search_emails, staff only: the accounts of many addresses. Rules: recordings,
 * people-lists.json.
 */
export const searchEmailsView: View = {
  url: '/api/user/v1/accounts/search_emails',
  accepts: 'jwt_or_bearer',
  access: 'account',
  errors: 'detail',
  throttled: false,
  jsonOnly: true,
  handlers: {
    // Recorded: 'search_emails by GET: taken for the user name search_emails'.
    GET: ({ caller }) => ({ status: 200, body: { username: caller?.username ?? '' } }),
    POST: searchEmails,
  },
  countAsked: ({ data }) => itemsOf(fieldsOf(data)?.emails ?? [])?.length ?? 0,
}

const missing = "'emails' field is required"

function searchEmails({ caller, data, context: { state } }: Call): Answer {
  if (!caller?.staff) return { status: 404, body: { developer_message: 'not_found', user_message: 'Not Found' } }
  const emails = fieldsOf(data)?.emails
  if (emails === undefined) return { status: 400, body: { developer_message: missing, user_message: missing } }
  const asked = itemsOf(emails)
  if (asked === null) return errorPage(500)
  const found = asked.flatMap((item) => (typeof item === 'string' ? (state.findPerson({ email: item }) ?? []) : []))
  const people = new Map(found.map((person): [number, Person] => [person.id, person]))
  const inOrder = [...people.values()].sort((a, b) => a.id - b.id)
  return { status: 200, body: inOrder.map(({ email, id, username }) => ({ email, id, username })) }
}

/** What Python iterates over: the characters of a text, the keys of an object; null for what it can't iterate over. */
function itemsOf(emails: Json): Json[] | null {
  if (Array.isArray(emails)) return emails
  if (typeof emails === 'string') return [...emails]
  return typeof emails === 'object' && emails !== null ? Object.keys(emails) : null
}
