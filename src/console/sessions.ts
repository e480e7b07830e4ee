import { createHash, createHmac, randomBytes } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { ConsoleSessionRow, Tables } from '../database/schema.ts'
import type { Failure } from '../openedx/failure.ts'
import type { Person, SignIn } from '../openedx/sign-in.ts'
import { seal, unseal } from './seal.ts'

const MINUTE_MS = 60_000
const REFRESHING = 'refresh token'
export const SESSION_MS = 8 * 60 * MINUTE_MS
/** The LMS's word that somebody is staff is good for so long. */
const CONFIRMED_MS = 60 * MINUTE_MS
/** Before that is over, so that a page doesn't find it over. */
const RENEW_AFTER_MS = 50 * MINUTE_MS
/** For one renewal to end, before another request tries it. */
const RENEWING_MS = MINUTE_MS / 2
/** After a renewal that the LMS couldn't answer. */
const AGAIN_MS = MINUTE_MS

/** Who is signed in. */
export interface Session {
  /** In the LMS. It is the actor of what this person changes. */
  readonly username: string
  /** What a form has to bring along, so that no other site can send it. */
  readonly csrf: string
  /** Whether the LMS has said within the hour that this person is staff. Without it pages are shown, nothing is changed. */
  readonly confirmed: boolean
}

/**
 * Sessions of the console. The browser has a random token, the database its hash and all the rest: so every replica
 * knows every session, and a session that is ended is ended.
 */
export interface Sessions {
  /** Gives the token for the browser. */
  begin(person: Person): Promise<string>
  /** Whose token it is, after asking the LMS once more where that is due; null if it is nobody's, or nobody's any more. */
  find(token: string): Promise<Session | null>
  end(token: string): Promise<void>
}

/** `onEnded` is told of a session that ends because the LMS no longer confirms it, and of what it said. */
export function createSessions(from: {
  db: Kysely<Tables>
  signIn: Pick<SignIn, 'renew'>
  now: () => number
  onEnded: (ended: { username: string; failure: Failure | null }) => void
}): Sessions {
  const { db, signIn, now } = from
  const renewals = new Map<string, Promise<ConsoleSessionRow | null>>()

  const read = async (id: string): Promise<ConsoleSessionRow | null> =>
    (await db.selectFrom('console_sessions').selectAll().where('id', '=', id).executeTakeFirst()) ?? null
  const remove = async (id: string): Promise<void> => {
    await db.deleteFrom('console_sessions').where('id', '=', id).execute()
  }
  const change = async (id: string, values: Partial<ConsoleSessionRow>): Promise<void> => {
    await db.updateTable('console_sessions').set(values).where('id', '=', id).execute()
  }

  /** A refresh token is good once: whoever moves `renew_at` uses it, and the others go on with what is known. */
  const renew = async (row: ConsoleSessionRow, token: string): Promise<ConsoleSessionRow | null> => {
    const { id, username, refresh_token: sealed } = row
    const claimed = await db
      .updateTable('console_sessions')
      .set({ renew_at: now() + RENEWING_MS })
      .where('id', '=', id)
      .where('renew_at', '=', row.renew_at)
      .executeTakeFirst()
    if (claimed.numUpdatedRows === 0n) return read(id)
    const refreshToken = sealed === null ? null : unseal({ sealed, token, use: REFRESHING })
    const judged = refreshToken === null ? null : await signIn.renew(refreshToken)
    if (judged?.ok && judged.value.administrator && judged.value.username === username) {
      await change(id, confirmation({ person: judged.value, token, at: now() }))
      return read(id)
    }
    const failure = judged === null || judged.ok ? null : judged.failure
    if (failure !== null && saysNothing(failure)) {
      await change(id, { renew_at: now() + AGAIN_MS })
      return row
    }
    await remove(id)
    from.onEnded({ username, failure })
    return null
  }

  return {
    begin: async (person) => {
      const token = randomBytes(32).toString('base64url')
      const [id, at] = [idOf(token), now()]
      await db
        .deleteFrom('console_sessions')
        .where('started_at', '<=', at - SESSION_MS)
        .execute()
      const row = { id, username: person.username, started_at: at, ...confirmation({ person, token, at }) }
      await db.insertInto('console_sessions').values(row).execute()
      return token
    },

    find: async (token) => {
      const id = idOf(token)
      let row = await read(id)
      if (row === null || row.started_at + SESSION_MS <= now()) return null
      if (row.renew_at <= now()) {
        const renewal = renewals.get(id) ?? renew(row, token).finally(() => renewals.delete(id))
        renewals.set(id, renewal)
        row = await renewal
      }
      if (row === null) return null
      const csrf = createHmac('sha256', token).update('the console’s forms').digest('base64url')
      return { username: row.username, csrf, confirmed: now() < row.confirmed_at + CONFIRMED_MS }
    },

    end: (token) => remove(idOf(token)),
  }
}

const idOf = (token: string): string => createHash('sha256').update(token).digest('hex')

/** The refresh token is of use to anybody who has it, so the database has it sealed. */
const confirmation = (of: { person: Person; token: string; at: number }) => ({
  refresh_token:
    of.person.refreshToken === null ? null : seal({ text: of.person.refreshToken, token: of.token, use: REFRESHING }),
  confirmed_at: of.at,
  renew_at: of.at + RENEW_AFTER_MS,
})

/** The LMS didn't say no: it is down, failing or throttling. */
const saysNothing = ({ kind }: Failure): boolean =>
  kind === 'unreachable' || kind === 'server_error' || kind === 'throttled'
