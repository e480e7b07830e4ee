import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createSessions } from '../../../src/console/session/sessions.ts'
import { openDatabase } from '../../../src/database/database.ts'
import { migrate } from '../../../src/database/migrations/migrations.ts'
import type { Person } from '../../../src/lms/sign-in.ts'

const MINUTE_MS = 60_000
const folder = mkdtempSync(join(tmpdir(), 'lernito-test-'))
const database = openDatabase({ url: `sqlite:${join(folder, 'lernito.db')}`, serve: false })
const clock = { at: Date.UTC(2026, 10, 24) }
const now = (): number => clock.at
const guard = <Value>(work: () => Promise<Value>): Promise<Value> => work()
await migrate({ database, now })
after(async () => {
  await database.close()
  rmSync(folder, { recursive: true })
})

/**
 * An LMS whose refresh tokens work once, with the sessions of its replicas. `renewedAs` is the user that it names when a
 * token is used.
 */
function createLms({ renewedAs = 'admin' }: { renewedAs?: string } = {}) {
  let next = 0
  const good = new Set<string>()
  const asked: string[] = []
  const ended: { username: string; failure: unknown }[] = []
  const issue = (username = 'admin'): Person => {
    const refreshToken = `refresh-${next++}`
    good.add(refreshToken)
    return { username, administrator: true, refreshToken }
  }
  const signIn = {
    renew: async (refreshToken: string) => {
      asked.push(refreshToken)
      if (good.delete(refreshToken)) return { ok: true, value: issue(renewedAs) } as const
      const failure = {
        kind: 'refused',
        endpoint: '/oauth2/access_token',
        status: 400,
        message: 'invalid_grant',
      } as const
      return { ok: false, failure: { ...failure, retryAfterMs: null, mayHaveTakenEffect: false } } as const
    },
  }
  const replica = () => createSessions({ db: database.db, guard, signIn, now, onEnded: (one) => ended.push(one) })
  return { issue, asked, ended, replica }
}

test('when several replicas renew a session at the same time, one uses the refresh token and the others continue', async () => {
  const { issue, asked, replica } = createLms()
  const [one, two, three] = [replica(), replica(), replica()]
  const token = await one.begin(issue())
  for (let round = 1; round <= 3; round++) {
    clock.at += 55 * MINUTE_MS
    const found = await Promise.all([one.find(token), two.find(token), three.find(token), two.find(token)])
    assert.deepEqual(
      found.map((session) => session?.username),
      ['admin', 'admin', 'admin', 'admin'],
    )
    assert.equal(asked.length, round)
  }
  assert.equal((await two.find(token))?.confirmed, true)
})

test('a session ends if the LMS renews it as another user', async () => {
  const { issue, ended, replica } = createLms({ renewedAs: 'another-admin' })
  const [one, two] = [replica(), replica()]
  const token = await one.begin(issue())
  clock.at += 55 * MINUTE_MS
  assert.equal(await one.find(token), null)
  assert.equal(await two.find(token), null)
  assert.deepEqual(ended, [{ username: 'admin', failure: null }])
})

for (const kind of ['unreachable', 'server_error', 'throttled'] as const) {
  test(`a session outlives a renewal that the LMS did not answer: ${kind}`, async () => {
    const failure = {
      kind,
      endpoint: '/oauth2/access_token',
      status: null,
      message: kind,
      retryAfterMs: null,
      mayHaveTakenEffect: false,
    } as const
    const ended: unknown[] = []
    const signIn = { renew: async () => ({ ok: false, failure }) as const }
    const sessions = createSessions({ db: database.db, guard, signIn, now, onEnded: (one) => ended.push(one) })
    const token = await sessions.begin({ username: 'admin', administrator: true, refreshToken: 'refresh' })
    clock.at += 61 * MINUTE_MS
    const found = await sessions.find(token)
    assert.deepEqual([found?.username, found?.confirmed, ended], ['admin', false, []])
  })
}

test('a session without a refresh token ends when it is time to renew it', async () => {
  const { issue, replica } = createLms()
  const sessions = replica()
  const token = await sessions.begin({ ...issue(), refreshToken: null })
  clock.at += 40 * MINUTE_MS
  assert.equal((await sessions.find(token))?.confirmed, true)
  clock.at += 20 * MINUTE_MS
  assert.equal(await sessions.find(token), null)
})

test('a session that is ended while it is renewed stays ended', async () => {
  const { issue, replica } = createLms()
  const [one, two] = [replica(), replica()]
  const token = await one.begin(issue())
  clock.at += 55 * MINUTE_MS
  const [found] = await Promise.all([one.find(token), two.end(token)])
  assert.equal(found, null)
  assert.equal(await one.find(token), null)
})
