import { authorize, delayEnrolling, enroll } from '../lms-client.ts'
import { paced, quantile } from '../load.ts'
import type { Stage } from '../processes.ts'
import { type Row, round } from '../row.ts'
import { salesOfOneCourse, webhooks } from '../sales.ts'
import { courseKey, makeWorld } from '../world.ts'

const WEBHOOKS = 1_000
/** Until the code is compiled; a service at this pace gets there within 20 s. */
const WARM_UP = 1_000
const EVERY_MS = 20
const LMS_MS = 20

/**
 * Webhooks and direct calls of the same kind alternate, 10 ms apart, so that both run under the same conditions. The
 * added latency is the p99 of the webhooks minus the median of the direct calls, so every delay of a webhook counts.
 */
export const addedLatency: Row = {
  name: 'added-latency',
  title: '50 webhooks/s, evenly spaced, no budget: p99 that we add to the LMS call',
  goal: { at: 'most', value: 5, unit: 'ms' },
  takes: 90,
  run: async (stage) => {
    const { ours, direct } = await measured(stage)
    const call = quantile(direct.latencies, 0.5)
    return {
      value: quantile(ours.latencies, 0.99) - call,
      parts: {
        'LMS call made directly, median ms': round(call),
        'LMS call made directly, p99 ms': round(quantile(direct.latencies, 0.99)),
        'webhook, median ms': round(quantile(ours.latencies, 0.5)),
        'webhook, p99 ms': round(quantile(ours.latencies, 0.99)),
        'added, median ms': round(quantile(ours.latencies, 0.5) - call),
        'added, p99 minus p99, ms': round(quantile(ours.latencies, 0.99) - quantile(direct.latencies, 0.99)),
      },
      notes: [
        `Webhooks and direct calls alternate, ${EVERY_MS / 2} ms apart; every enrolling call takes ${LMS_MS} ms in the stand-in. Added: p99 of the webhooks minus the median of the direct calls.`,
      ],
    }
  },
}

async function measured(stage: Stage) {
  const lms = await stage.standIn({ world: makeWorld(), throttle: 'off', cost: 'none' })
  await delayEnrolling(lms.url, LMS_MS)
  const { url } = await stage.service({ lmsUrl: lms.url, env: { LERNITO_LMS_CALLS_PER_MINUTE: '0' } })
  const authorization = await authorize(lms.url)
  const run = async (count: number, from: number) => {
    const buyers = salesOfOneCourse({ count: 2 * count, from })
    const direct = buyers.slice(count).map(({ email }) => {
      return enroll({ lmsUrl: lms.url, authorization, emails: [email], course: courseKey(0) })
    })
    const requests = webhooks({ url, sales: buyers.slice(0, count) })
    const streams = [
      { url, requests },
      { url: lms.url, requests: direct },
    ]
    return paced({ streams, everyMs: EVERY_MS })
  }
  await run(WARM_UP, 0)
  const [ours, direct] = await run(WEBHOOKS, 2 * WARM_UP)
  if (ours?.statuses[200] === WEBHOOKS && direct?.statuses[200] === WEBHOOKS) return { ours, direct }
  throw new Error(`not all were answered 200: ${JSON.stringify([ours?.statuses, direct?.statuses])}`)
}
