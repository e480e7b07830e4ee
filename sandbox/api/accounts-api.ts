import { type Answer, forbidden, timestamp, wholeSeconds } from '../lms/answers.ts'
import { isRetired } from '../lms/enrollment-rules.ts'
import type { Person } from '../lms/people.ts'
import type { Call, View } from './view.ts'

/**
 * GET /api/user/v1/accounts and /api/user/v1/me. Rules: recordings, accounts.json, account-by-id.json, retired.json and
 * sign-in.json.
 */
export const accountViews: View[] = [
  {
    url: '/api/user/v1/accounts',
    accepts: 'jwt_or_bearer',
    access: 'account',
    errors: 'detail',
    throttled: false,
    handlers: { GET: listAccounts },
  },
  {
    url: '/api/user/v1/me',
    accepts: 'jwt_or_bearer',
    access: 'account',
    errors: 'detail',
    throttled: false,
    handlers: { GET: ({ caller }) => ({ status: 200, body: { username: caller?.username ?? '' } }) },
  },
]

function listAccounts(call: Call): Answer {
  const { caller, query, context, host } = call
  const { state } = context
  const usernames = query.get('username')?.split(',').filter(Boolean) ?? []
  const email = query.getAll('email').at(-1)
  const id = query.getAll('lms_user_id').at(-1)
  if (!caller?.staff && (email !== undefined || id !== undefined)) return forbidden('detail')
  if (usernames.length === 0 && email) {
    if (isRetired(context, email)) {
      const error_msg = 'This email is associated to a retired account.'
      return { status: 404, body: { error_msg, can_cancel_retirement: false, retirement_id: null } }
    }
    const person = state.findPerson({ email })
    return person ? { status: 200, body: [account(person, host)] } : { status: 404 }
  }
  if (usernames.length === 0 && id) {
    if (!/^\s*[+-]?\d+\s*$/.test(id)) return { status: 400 }
    const person = state.findPerson({ id: Number(id) })
    return person ? { status: 200, body: [account(person, host)] } : { status: 404 }
  }
  if (usernames.length === 0 && caller) usernames.push(caller.username)
  const found = usernames.map((username) => state.findPerson({ username })).filter((person) => person !== undefined)
  const people = [...new Set(found)] // the LMS selects rows, so a name in two spellings gives one
  if (people.length === 0) return { status: 404 }
  const body = people.map((person) => {
    return caller?.staff || caller?.id === person.id ? account(person, host) : publicAccount(person, host)
  })
  return { status: 200, body }
}

/** What other users see of an account with the default privacy. */
function publicAccount({ username }: Person, host: string) {
  const image = (size: number) => `http://${host}/static/images/profiles/default_${size}.png`
  return {
    account_privacy: 'private',
    profile_image: {
      has_image: false,
      image_url_full: image(500),
      image_url_large: image(120),
      image_url_medium: image(50),
      image_url_small: image(30),
    },
    username,
  }
}

function account(person: Person, host: string) {
  const { registration } = person
  return {
    ...publicAccount(person, host),
    bio: null,
    course_certificates: null,
    country: registration?.country ?? null,
    date_joined: wholeSeconds(person.joined),
    language_proficiencies: [],
    level_of_education: null,
    social_links: [],
    time_zone: null,
    name: person.name,
    email: person.email,
    id: person.id,
    verified_name: null,
    extended_profile: [],
    gender: null,
    state: null,
    // The form stores empty texts (recorded: registration.json, 'the account, before activation').
    goals: registration ? '' : null,
    is_active: person.active,
    last_login: person.lastLogin === null ? null : timestamp(person.lastLogin),
    mailing_address: registration ? '' : null,
    requires_parental_consent: true,
    secondary_email: null,
    secondary_email_enabled: null,
    year_of_birth: null,
    phone_number: null,
    activation_key: registration ? person.activationKey : null,
    pending_name_change: null,
  }
}
