import { createHash } from 'node:crypto'
import type { Db, EndpointRow } from '../../database/schema.ts'

/** The name of the one row. */
const SHOP = 'shop'
/** The time of the latest success is stored at most this often, ms. */
const SENT_AT_MS = 10_000
/** A replica that takes the right to a probe has this long for it, ms: longer than an attempt may take. */
const PROBE_MS = 20_000

/** After this many failures in a row, the endpoint counts as down: only one event at a time is sent, as a probe. */
const DOWN_AFTER = 3
const FIRST_PROBE_MS = 5_000
const LONGEST_PROBE_WAIT_MS = 60_000

const START = { state: 'up', failures: 0, since: null, probe_at: 0 } as const

/** What is known of the endpoint; undefined before events were first turned on. */
export const readEndpoint = (db: Db): Promise<EndpointRow | undefined> =>
  db.selectFrom('endpoints').selectAll().where('name', '=', SHOP).executeTakeFirst()

/** By what the row knows the address of the endpoint, which may hold a secret. */
export const digestOfUrl = (url: string): string => createHash('sha256').update(url).digest('hex')

/** Makes sure that the row exists. An address that differs from the one before starts anew, even if that one was gone. */
export async function openEndpoint(db: Db, url: string): Promise<void> {
  const url_digest = digestOfUrl(url)
  const row = { name: SHOP, url_digest, ...START, error: null, error_at: null, sent_at: null }
  if ((await readEndpoint(db)) === undefined) await db.insertInto('endpoints').ignore().values(row).execute()
  const { name: _name, ...anew } = row
  await db.updateTable('endpoints').set(anew).where('name', '=', SHOP).where('url_digest', '!=', url_digest).execute()
}

/**
 * An operator wants events to be sent again, now: ends a stop after a 410, and the waits for the next probe and for the next
 * attempts. An endpoint that fails does so since it first did, until it answers.
 */
export async function resumeEndpoint(trx: Db, { at }: { at: number }): Promise<void> {
  await endWaits(trx, at)
  await trx
    .updateTable('endpoints')
    .set({ probe_at: at })
    .where('name', '=', SHOP)
    .where('state', '=', 'down')
    .execute()
  await trx.updateTable('endpoints').set(START).where('name', '=', SHOP).where('state', '!=', 'down').execute()
}

/** Makes what waits for its next attempt due: that attempts failed was the endpoint's fault, and says nothing of the next. */
async function endWaits(trx: Db, at: number): Promise<void> {
  await trx.updateTable('outbox').set({ due_at: at }).where('failed_at', 'is', null).where('due_at', '>', at).execute()
}

/** When the next probe is due. A stored time that lies too far ahead is from before the clock was set back. */
export const mayProbe = ({ probe_at: at }: EndpointRow, now: number): boolean =>
  at <= now || at > now + LONGEST_PROBE_WAIT_MS

/** Takes the right to send the next probe. false: another replica has it. */
export async function takeProbe(db: Db, endpoint: EndpointRow, now: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('endpoints')
    .set({ probe_at: now + PROBE_MS })
    .where('name', '=', SHOP)
    .where('state', '=', 'down')
    .where('probe_at', '=', endpoint.probe_at)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/**
 * Stores that the endpoint answered, and with `accepted` that it took an event. Cheap if that is no news. After an outage,
 * what waits is due at once. Resolves to the state that follows, if it is another; else null.
 */
export async function noteAnswer(trx: Db, { accepted, at }: { accepted: boolean; at: number }): Promise<'up' | null> {
  const wasDown = (await readEndpoint(trx))?.state === 'down'
  await trx
    .updateTable('endpoints')
    .set({ ...START, ...(accepted ? { sent_at: at } : {}) })
    .where('name', '=', SHOP)
    .where('state', '!=', 'gone')
    .where((eb) => {
      const isNews = eb('failures', '>', 0)
      if (!accepted) return isNews
      return eb.or([isNews, eb('sent_at', 'is', null), eb('sent_at', '<', at - SENT_AT_MS), eb('sent_at', '>', at)])
    })
    .execute()
  if (!wasDown) return null
  await endWaits(trx, at)
  return 'up'
}

/** Stores a failure. `isGone`: the endpoint answered 410. Resolves as noteAnswer does. */
export async function noteFailure(
  trx: Db,
  { isGone, error, at }: { isGone: boolean; error: string; at: number },
): Promise<'down' | 'gone' | null> {
  // The update comes first: it locks the row, so that attempts count one after the other.
  await trx
    .updateTable('endpoints')
    .set((eb) => ({ failures: eb('failures', '+', 1), error, error_at: at }))
    .where('name', '=', SHOP)
    .execute()
  const row = await readEndpoint(trx)
  if (row === undefined || row.state === 'gone') return null
  const state = isGone ? 'gone' : row.failures >= DOWN_AFTER ? 'down' : 'up'
  if (state === 'up') return null
  const since = row.state === state ? row.since : at
  const probe_at = at + probeWait(row.failures)
  await trx.updateTable('endpoints').set({ state, since, probe_at }).where('name', '=', SHOP).execute()
  return row.state === state ? null : state
}

/** The wait before the next probe of an endpoint with this many failures in a row, ms: from 5 seconds to a minute. */
const probeWait = (failures: number): number =>
  Math.min(LONGEST_PROBE_WAIT_MS, FIRST_PROBE_MS * 2 ** Math.min(10, Math.max(0, failures - DOWN_AFTER)))
