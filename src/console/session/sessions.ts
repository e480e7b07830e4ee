import { createHash, createHmac, randomBytes } from 'node:crypto'
import type { ConsoleSessionRow, Db } from '../../database/schema.ts'
import type { Failure } from '../../lms/client/failure.ts'
import type { Person, SignIn } from '../../lms/sign-in.ts'
import type { Background } from '../../service/lib/loop.ts'
import { seal, unseal } from './seal.ts'

const MINUTE_MS = 60_000
const SEAL_USE = 'refresh token'
/** A session ends after this time, however often it is renewed. */
export const SESSION_MS = 8 * 60 * MINUTE_MS
/** How long the LMS's confirmation that a person is staff is valid. */
const CONFIRMED_MS = 60 * MINUTE_MS
/** Shorter than CONFIRMED_MS, so that a session is renewed before its confirmation expires. */
const RENEW_AFTER_MS = 50 * MINUTE_MS
/** The time that one renewal has before another request starts the next one. */
const RENEWAL_TIMEOUT_MS = MINUTE_MS / 2
/** The delay after a renewal that the LMS didn't answer. */
const RENEWAL_RETRY_MS = MINUTE_MS

/** Who is signed in. */
export interface Session {
  /** In the LMS. It is the actor of this person's changes. */
  readonly username: string
  /** The token that each form must send, so that no other site can send the form. */
  readonly csrf: string
  /**
   * Whether the LMS has confirmed within the last hour that this person is staff. Without a confirmation, the console
   * shows pages but makes no changes.
   */
  readonly confirmed: boolean
}

interface SessionsContext {
  readonly db: Db
  readonly guard: Background['guard']
  readonly signIn: Pick<SignIn, 'renew'>
  /** In ms since 1970. */
  readonly now: () => number
  /** Called when a session ends because the LMS no longer confirms it, with the LMS's answer. */
  readonly onEnded: (ended: { username: string; failure: Failure | null }) => void
}

/**
 * Creates the sessions of one replica. The browser has a random token. The database has the token's hash and everything
 * else, so every replica knows every session, and a session that ends, ends on all of them. Each function rejects if the
 * database doesn't answer.
 */
export function createSessions(context: SessionsContext) {
  const { db, guard, now } = context
  const renewals = new Map<string, Promise<ConsoleSessionRow | null>>()

  /** Requests that arrive at the same time share one renewal. */
  const renewOnce = (row: ConsoleSessionRow, token: string): Promise<ConsoleSessionRow | null> => {
    const { id } = row
    const renewal = renewals.get(id) ?? renew(context, row, token).finally(() => renewals.delete(id))
    renewals.set(id, renewal)
    return renewal
  }

  return {
    /** Returns the token for the browser. */
    begin: async (person: Person): Promise<string> => {
      const token = randomBytes(32).toString('base64url')
      const at = now()
      const row = { id: idOf(token), username: person.username, started_at: at, ...confirmation({ person, token, at }) }
      await guard(() => db.insertInto('console_sessions').values(row).execute())
      return token
    },

    /** Returns the session of a token, after renewing it at the LMS if it is time. Returns null if there is none, or it ended. */
    find: (token: string): Promise<Session | null> =>
      guard(async () => {
        const stored = await read(db, idOf(token))
        if (stored === null || stored.started_at + SESSION_MS <= now()) return null
        const row = stored.renew_at <= now() ? await renewOnce(stored, token) : stored
        return row === null ? null : sessionOf({ row, token, at: now() })
      }),

    end: (token: string): Promise<void> => guard(() => remove(db, idOf(token))),
  }
}
export type Sessions = ReturnType<typeof createSessions>

/**
 * Renews a session at the LMS. A refresh token works once: the request that moves `renew_at` uses it, and the others
 * continue with the stored row. Returns null if the session has ended.
 */
async function renew(
  { db, signIn, now, onEnded }: SessionsContext,
  row: ConsoleSessionRow,
  token: string,
): Promise<ConsoleSessionRow | null> {
  const { id, username, refresh_token: sealed } = row
  const isMine = await claimRenewal(db, row, now() + RENEWAL_TIMEOUT_MS)
  if (!isMine) return read(db, id)
  const refreshToken = sealed === null ? null : unseal({ sealed, token, use: SEAL_USE })
  const judged = refreshToken === null ? null : await signIn.renew(refreshToken)
  if (judged?.ok && judged.value.administrator && judged.value.username === username) {
    await change(db, id, confirmation({ person: judged.value, token, at: now() }))
    return read(db, id)
  }
  const failure = judged === null || judged.ok ? null : judged.failure
  if (failure !== null && isUndecided(failure)) {
    await change(db, id, { renew_at: now() + RENEWAL_RETRY_MS })
    return row
  }
  await remove(db, id)
  onEnded({ username, failure })
  return null
}

/** Returns false if another request, of this or another replica, renews the session. */
async function claimRenewal(db: Db, row: ConsoleSessionRow, until: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('console_sessions')
    .set({ renew_at: until })
    .where('id', '=', row.id)
    .where('renew_at', '=', row.renew_at)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

async function read(db: Db, id: string): Promise<ConsoleSessionRow | null> {
  return (await db.selectFrom('console_sessions').selectAll().where('id', '=', id).executeTakeFirst()) ?? null
}

async function change(db: Db, id: string, values: Partial<ConsoleSessionRow>): Promise<void> {
  await db.updateTable('console_sessions').set(values).where('id', '=', id).execute()
}

async function remove(db: Db, id: string): Promise<void> {
  await db.deleteFrom('console_sessions').where('id', '=', id).execute()
}

function sessionOf({ row, token, at }: { row: ConsoleSessionRow; token: string; at: number }): Session {
  const csrf = createHmac('sha256', token).update('the console’s forms').digest('base64url')
  return { username: row.username, csrf, confirmed: at < row.confirmed_at + CONFIRMED_MS }
}

const idOf = (token: string): string => createHash('sha256').update(token).digest('hex')

/** Anyone who has a refresh token can use it, so the database stores it sealed. */
const confirmation = (of: { person: Person; token: string; at: number }) => ({
  refresh_token:
    of.person.refreshToken === null ? null : seal({ text: of.person.refreshToken, token: of.token, use: SEAL_USE }),
  confirmed_at: of.at,
  renew_at: of.at + RENEW_AFTER_MS,
})

/** The LMS neither confirmed nor refused: it is down, failing, or throttling. */
const isUndecided = ({ kind }: Failure): boolean =>
  kind === 'unreachable' || kind === 'server_error' || kind === 'throttled'
