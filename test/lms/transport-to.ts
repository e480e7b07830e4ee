import type { TestContext } from 'node:test'
import { HEARTBEAT } from '../../src/lms/apis/heartbeat.ts'
import { createTransport } from '../../src/lms/client/transport.ts'

/** Makes a function that sends a heartbeat with a token to this address, with its own transport. */
export function transportTo(t: TestContext, url: string, timeoutMs = 5_000) {
  const transport = createTransport({
    url: new URL(url),
    concurrency: () => 2,
    timeoutMs,
    now: Date.now,
    onCall: () => {},
  })
  t.after(() => transport.close())
  return () => transport.send(HEARTBEAT, { authorization: 'JWT secret', queued: true })
}
