import type { Tokens } from './tokens.ts'

export type Sessions = ReturnType<typeof createSessions>

const cookieName = 'sandbox_session'

/** Browser sessions of the stand-in's pages: a random cookie for each username. */
export function createSessions({ tokens }: { tokens: Tokens }) {
  const sessions = new Map<string, string>()

  function idOf(cookies: string | undefined): string {
    const pairs = (cookies ?? '').split(';').map((pair) => pair.trim().split('='))
    return pairs.find(([name]) => name === cookieName)?.[1] ?? ''
  }

  return {
    /** Signs a person in; returns the Set-Cookie header. */
    begin: (username: string): string => {
      const id = tokens.randomText(16)
      sessions.set(id, username)
      return `${cookieName}=${id}; Path=/; HttpOnly; SameSite=Lax`
    },
    /** Takes the Cookie header; returns the username that is signed in, or null. */
    usernameOf: (cookies: string | undefined): string | null => sessions.get(idOf(cookies)) ?? null,
    /** Takes the Cookie header; ends that session and returns the Set-Cookie header that removes its cookie. */
    end: (cookies: string | undefined): string => {
      sessions.delete(idOf(cookies))
      return `${cookieName}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`
    },
    reset: () => sessions.clear(),
  }
}
