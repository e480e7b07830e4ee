/** The OAuth application that the service and the clients of the bench use in the stand-in. */
export const APPLICATION = {
  client_id: 'lernito-client',
  client_secret: 'lernito-client-secret',
  grant: 'client-credentials',
  user: 'lernito_service',
  staff: true,
} as const

/** The content of a file for `sandbox --world`. */
export interface World {
  readonly applications: readonly (typeof APPLICATION)[]
  readonly people: readonly { username: string; email: string; active: boolean }[]
  readonly courses: readonly { id: string; name: string }[]
  readonly password_of_people: string
}

export const courseKey = (number: number): string => `course-v1:Bench+C${number}+2026`
export const emailOf = (number: number): string => `buyer${number}@example.com`

/** Returns a world with this number of courses (courseKey(0), …) and of people with an account (emailOf(0), …). */
export function makeWorld({ courses = 1, people = 0 }: { courses?: number; people?: number } = {}): World {
  return {
    applications: [APPLICATION],
    people: Array.from({ length: people }, (_, n) => ({ username: `buyer${n}`, email: emailOf(n), active: true })),
    courses: Array.from({ length: courses }, (_, n) => ({ id: courseKey(n), name: `Course ${n}` })),
    password_of_people: 'not-used-by-the-bench',
  }
}
