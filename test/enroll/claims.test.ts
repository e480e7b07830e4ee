import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCircuitBreaker } from '../../src/enroll/breakers/circuit-breaker.ts'
import { createCourseBreakers } from '../../src/enroll/breakers/course-breakers.ts'
import { runWorker } from '../../src/enroll/worker.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { startScriptedLms } from '../lms/scripted-lms.ts'
import { arrival, COURSE, setUp } from '../queue/harness.ts'
import { until } from '../service/process.ts'
import { lmsAt } from './lms-at.ts'

const IN_FLIGHT_MAX = 1000

test('no more of a backlog is claimed than can be in flight, also while the LMS is asked for its courses', async (t) => {
  const { inbox, clock } = await setUp(t)
  const sold = Array.from({ length: IN_FLIGHT_MAX + 1 }, (_, n) => arrival({ email: `p${n}@example.com` }))
  await Promise.all(sold.map((one) => inbox.submit(one, null)))
  const server = await startScriptedLms(t)
  const [asked, answers] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  server.on(`GET /api/courses/v1/courses/${encodeURIComponent(COURSE)}`, async (response) => {
    asked.resolve()
    await answers.promise
    response.writeHead(404, { 'content-type': 'application/json' }).end('{}')
  })
  const stopping = new AbortController()
  const { signal } = stopping
  const lms = lmsAt(server.url)
  const budget = unlimitedBudget()
  const claims: { readonly max: number; readonly claimed: number }[] = []
  const watched: typeof inbox = {
    ...inbox,
    claim: async (max, until) => {
      const deliveries = await inbox.claim(max, until)
      claims.push({ max, claimed: deliveries.length })
      return deliveries
    },
  }
  const now = () => clock.at
  const working = runWorker({
    inbox: watched,
    breaker: createCircuitBreaker({ lms, inbox, budget, now, onChange: () => {}, signal }),
    breakers: createCourseBreakers({ now, onChange: () => {} }),
    budget,
    options: { emailStudents: false, modeOf: () => null },
    concurrency: { most: 1, now: () => 1 },
    now,
    random: () => 0.5,
    onError: () => {},
    signal,
  })
  t.after(async () => {
    answers.resolve()
    stopping.abort()
    await working
    await lms.close()
  })
  await asked.promise
  await until('a second claim', async () => (claims.length > 1 ? true : undefined))
  assert.deepEqual(claims.slice(0, 2), [
    { max: IN_FLIGHT_MAX, claimed: IN_FLIGHT_MAX },
    { max: 0, claimed: 0 },
  ])
})
