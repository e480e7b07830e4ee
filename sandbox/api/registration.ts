import type { Answer } from '../lms/answers.ts'
import { isEmailAddress } from '../lms/email-addresses.ts'
import { isRetired } from '../lms/enrollment-rules.ts'
import type { Lms } from '../lms/lms.ts'
import type { Person } from '../lms/people.ts'
import { fieldsOf, textOf } from './bodies.ts'
import type { View } from './view.ts'

/** The fields of the registration form. */
export type RegistrationForm = {
  email: string
  username: string
  name: string
  password: string
  country: string | null
}
/** A message for each wrong field. */
export type RegistrationErrors = Partial<Record<'email' | 'username' | 'name' | 'password', string>>

const minPassword = 8

/** Registers a person with an inactive account. Allowances wait for its activation (recorded: registration.json). */
export function register(
  lms: Lms,
  form: RegistrationForm,
): { person: Person } | { taken: boolean; errors: RegistrationErrors } {
  const { email, username, name, password, country } = form
  const { state } = lms
  const wrong: RegistrationErrors = {}
  if (!isEmailAddress(email)) wrong.email = 'Enter a valid email address'
  if (!/^[\w-]{2,30}$/.test(username)) wrong.username = 'Usernames have 2 to 30 letters, digits, - and _'
  if (name.trim() === '') wrong.name = 'Enter your full name'
  if (password.length < minPassword) wrong.password = `This password is too short: it needs ${minPassword} characters`
  if (Object.keys(wrong).length > 0) return { taken: false, errors: wrong }
  if (state.findPerson({ email }) || isRetired(lms.context(), email)) {
    wrong.email = 'This email is already associated with an existing or previous account'
  }
  if (state.findPerson({ username })) wrong.username = 'It looks like this username is already taken'
  if (Object.keys(wrong).length > 0) return { taken: true, errors: wrong }
  const person = state.savePerson({
    username,
    email,
    name,
    password,
    active: false,
    staff: false,
    superuser: false,
    lastLogin: lms.now(),
    registration: { country },
  })
  return { person }
}

/** POST /api/user/v2/account/registration/ (recorded: registration.json, 'the person registers'). */
export const registrationView: View = {
  url: '/api/user/v2/account/registration/',
  accepts: 'nothing',
  access: 'anyone',
  errors: 'detail',
  throttled: false,
  handlers: {
    POST: ({ data, lms, host }): Answer => {
      const fields = fieldsOf(data) ?? {}
      const [email, username, name, password] = [fields.email, fields.username, fields.name, fields.password].map(
        textOf,
      )
      const country = textOf(fields.country) || null
      const done = register(lms, {
        email: email ?? '',
        username: username ?? '',
        name: name ?? '',
        password: password ?? '',
        country,
      })
      if ('person' in done) {
        const { person } = done
        const authenticated_user = { username: person.username, full_name: person.name, user_id: person.id }
        const body = {
          authenticated_user,
          success: true,
          redirect_url: `http://${host}${textOf(fields.next) || '/dashboard'}`,
        }
        return { status: 200, headers: { 'set-cookie': lms.sessions.begin(person.username) }, body }
      }
      const errors = Object.entries(done.errors).map(([field, user_message]) => [field, [{ user_message }]])
      return { status: done.taken ? 409 : 400, body: Object.fromEntries(errors) }
    },
  },
}
