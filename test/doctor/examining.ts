import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { World } from '../../sandbox/lms/world.ts'
import type { StandInOptions } from '../../sandbox/stand-in.ts'
import { render } from '../../src/cli/doctor.ts'
import { CAUSES, type CauseId } from '../../src/doctor/check.ts'
import { type CheckId, type Deadlines, examine, type Result } from '../../src/doctor/examine.ts'
import type { Resolve } from '../../src/service/lib/outgoing-call.ts'
import { exchange, SECRET } from '../harness.ts'
import { listening } from '../listening.ts'
import { selfSigned as certificateFor } from '../lms/certificates.ts'
import { PASSWORD } from '../mariadb.ts'
import { getToken, recordedWorld } from '../sandbox/recording.ts'
import { temporaryFolder } from '../service/process.ts'
import { serveEnv, startLms } from '../service/serving.ts'

type Env = Record<string, string>

/** What no output may hold: the secrets that these tests set, and any token (a JWT begins with this). */
const SECRETS = [
  SECRET,
  'lernito-client-secret',
  'console-client-secret',
  PASSWORD,
  encodeURIComponent(PASSWORD),
  'eyJ',
]

/** Settings of a service in a new folder that fit a stand-in LMS. */
export const envFor = ({ t, lmsUrl }: { t: TestContext; lmsUrl: string }): Env =>
  serveEnv({ folder: temporaryFolder(t), lmsUrl })

/** Runs all checks, and asserts that no output of theirs holds a secret. */
export async function examined(from: {
  env: Env
  now?: () => number
  deadlines?: Deadlines
  resolve?: Resolve
  acquire?: () => Promise<boolean>
}): Promise<Result[]> {
  const results = await examine({ now: Date.now, ...from })
  const text = `${render(results)}${JSON.stringify(results)}`
  // The name of the folder is random: one of some tens of thousands has the beginning of a token.
  const [, file = ''] = /^sqlite:(.+)$/.exec(from.env.LERNITO_DATABASE_URL ?? '') ?? []
  const shown = file === '' ? text : text.replaceAll(file, 'FILE')
  for (const secret of SECRETS) assert.ok(!shown.includes(secret), `a secret is shown: ${shown}`)
  return results
}

export function resultOf(results: readonly Result[], id: CheckId): Result {
  const result = results.find((one) => one.id === id)
  assert.ok(result, `there is no result for ${id}`)
  return result
}

/** How an installation is broken, and which check finds the cause. */
export interface Case {
  /** The test's name. */
  readonly rule: string
  readonly found: CheckId
  readonly broken: (t: TestContext) => Promise<Result[]>
  /** Why this machine can't run the test. */
  readonly skip?: string | false
}

/** A stand-in that is broken in one way: by its options, by faults, or by the settings that call it. */
export const standIn = (how: { lms?: StandInOptions; faults?: readonly object[]; env?: Env }): Case['broken'] => {
  return async (t) => {
    const lms = await startLms(t, how.lms)
    await lms.faults(how.faults ?? [])
    return examined({ env: { ...envFor({ t, lmsUrl: lms.url }), ...how.env } })
  }
}

/** The recorded world with changes. */
export const inWorld = (change: (world: World) => Partial<World>, env: Env = {}): Case['broken'] => {
  return async (t) => {
    const world = await recordedWorld()
    return standIn({ lms: { world: { ...world, ...change(world) } }, env })(t)
  }
}

/** A test for each cause of a group: the check finds this cause at its level, and no other. */
export function testCauses<Id extends CauseId>(
  causes: Readonly<Record<Id, unknown>>,
  cases: Readonly<Record<Id, Case>>,
): void {
  test('every cause has a test', () => assert.deepEqual(Object.keys(cases).sort(), Object.keys(causes).sort()))
  for (const [cause, { rule, found, broken, skip = false }] of Object.entries<Case>(cases)) {
    test(`${cause}: ${rule}`, { skip }, async (t) => {
      const result = resultOf(await broken(t), found)
      assert.deepEqual(
        result.problems.map((problem) => problem.cause),
        [cause],
        JSON.stringify(result),
      )
      const [problem] = result.problems
      const cases = Object.entries(CAUSES).map(
        ([id, one]) => [id, 'severity' in one ? one.severity : 'failure'] as const,
      )
      const expected = new Map<string, string>(cases)
      assert.deepEqual([problem?.status, result.status], [expected.get(cause), expected.get(cause)])
    })
  }
}

/** A host and port where nothing listens. */
export async function nobody(t: TestContext): Promise<string> {
  const server = createTcpServer()
  const { host } = await listening(t, server)
  server.close()
  await once(server, 'close')
  return host
}

/** A host and port that treats each connection the same: it hangs, or cuts it. */
export async function silent(t: TestContext, onConnection: (socket: Socket) => void = () => {}): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    onConnection(socket)
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  return (await listening(t, server)).host
}

/** A server with a self-signed certificate. */
export async function selfSigned(t: TestContext): Promise<string> {
  const server = createTlsServer(certificateFor(t, { name: 'localhost' }), (_request, response) => {
    response.end('{}')
  })
  return (await listening(t, server)).host
}

/** A plain HTTP server that gives every request the same answer. */
export async function answering(t: TestContext, status: number, headers: Record<string, string> = {}): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(status, headers).end())
  return (await listening(t, server)).host
}

/** A server at LERNITO_LMS_URL that is not an LMS. */
export const lmsAt = (url: string): Case['broken'] => {
  return async (t) => examined({ env: envFor({ t, lmsUrl: url }) })
}

/** The service user has just made `calls` enrolling calls at an LMS with this limit for them. */
export async function enrolledBefore(t: TestContext, calls: number, throttle = 120): Promise<Result[]> {
  const lms = await startLms(t, { throttle })
  const token = await getToken({ url: lms.url, client: 'lernito' })
  const url = `${lms.url}/api/enrollment/v1/enrollment_allowed/?email=x%40example.com`
  for (let call = 0; call < calls; call++) {
    const made = await exchange({ url, method: 'GET', headers: { authorization: `JWT ${token}` } })
    assert.equal(made.status, 200)
  }
  return examined({ env: envFor({ t, lmsUrl: lms.url }) })
}

/** The problems that a check found, as `cause: message`. */
export const problemOf = (results: readonly Result[], id: Result['id']) => {
  const { problems } = resultOf(results, id)
  return problems.map(({ cause, message }) => `${cause}: ${message}`).join()
}
