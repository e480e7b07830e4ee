import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { DEMO } from '../harness.ts'

const call = z.array(z.string())

/** What the jobs asked of the LMS's manage.py: for each call its arguments. */
export function recordedCalls(file: string): string[][] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => call.parse(JSON.parse(line)))
}

/** The value that follows an option. */
export const optionOf = (args: readonly string[], option: string): string | undefined =>
  args.includes(option) ? args[args.indexOf(option) + 1] : undefined

/** The stand-in's world: the applications that these calls make, a buyer and a course. */
export function worldOf(calls: readonly string[][]) {
  const of = (command: string): string[][] => calls.filter(([, name]) => name === command)
  const staff = new Set(of('manage_user').flatMap((args) => (args.includes('--staff') ? [args[2]] : [])))
  const applications = of('create_dot_application').map((args) => {
    const uris = optionOf(args, '--redirect-uris')
    const user = args.at(-1)
    return {
      client_id: optionOf(args, '--client-id'),
      client_secret: optionOf(args, '--client-secret'),
      grant: optionOf(args, '--grant-type'),
      ...(uris === undefined ? { user, staff: staff.has(user) } : { redirect_uri: uris.split(' ') }),
    }
  })
  const people = [{ username: 'alice', email: 'alice@example.com', active: true }]
  const courses = [{ id: DEMO, name: 'Demonstration Course' }]
  return { applications, password_of_people: 'pw-Test-123', people, courses }
}
