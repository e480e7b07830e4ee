import { each, type Load, load, quantile } from '../load.ts'
import { type Row, round } from '../row.ts'
import { salesOfOneCourse, webhooks } from '../sales.ts'
import { makeWorld } from '../world.ts'

const WARM_UP = 4_000
const WEBHOOKS = 20_000
const SENDERS = 256
/** The most enrollments/s that were recorded of an LMS (test/recordings/README.md: bulk_enroll of 50, unknown people). */
const LMS_MAX = 439

export const accepting: Row = {
  name: 'accepting',
  title: 'stored with fsync and answered 202, one replica / what an LMS can enroll',
  goal: { at: 'least', value: 5, unit: 'times' },
  takes: 15,
  run: async (stage) => {
    const lms = await stage.standIn({ world: makeWorld(), throttle: 'off' })
    const { url } = await stage.service({ lmsUrl: lms.url, env: { LERNITO_ANSWER_WITHIN_MS: '0' } })
    const run = async (count: number, from = 0): Promise<Load> => {
      const requests = webhooks({ url, sales: salesOfOneCourse({ count, from }) })
      const done = await load({ url, senders: SENDERS, next: each(requests) })
      if (done.statuses[202] !== count) throw new Error(`not all were answered 202: ${JSON.stringify(done.statuses)}`)
      return done
    }
    await run(WARM_UP)
    const { seconds, latencies } = await run(WEBHOOKS, WARM_UP)
    return {
      value: WEBHOOKS / seconds / LMS_MAX,
      parts: {
        'webhooks/s': round(WEBHOOKS / seconds),
        'median ms': round(quantile(latencies, 0.5)),
        'p99 ms': round(quantile(latencies, 0.99)),
      },
      notes: [`${WEBHOOKS} different webhooks, ${SENDERS} senders; the service enrolls at the same time.`],
    }
  },
}
