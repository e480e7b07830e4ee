import { join } from 'node:path'
import { each, type Load, load, quantile } from '../load.ts'
import { type Row, round } from '../row.ts'
import { salesOfOneCourse, webhooks } from '../sales.ts'
import { storedAlone } from '../stored-alone.ts'
import { makeWorld } from '../world.ts'

const WARM_UP = 4_000
const WEBHOOKS = 20_000
const SENDERS = 256

/** The bare route is measured before and after the service, and the mean of both counts. */
export const accepting: Row = {
  name: 'accepting',
  title: 'stored with fsync and answered 202, one replica / a bare Fastify route that reads the body',
  goal: { at: 'least', value: 0.35, unit: 'times' },
  takes: 30,
  run: async (stage) => {
    const lms = await stage.standIn({ world: makeWorld(), throttle: 'off' })
    const service = await stage.service({ lmsUrl: lms.url, env: { LERNITO_ANSWER_WITHIN_MS: '0' } })
    const bare = await stage.program('bare-route.ts', [])
    const least = await stage.program('least-service.ts', [])
    const run = async (url: string, count: number, from = 0): Promise<Load> => {
      const requests = webhooks({ url, sales: salesOfOneCourse({ count, from }) })
      const done = await load({ url, senders: SENDERS, next: each(requests) })
      if (done.statuses[202] !== count) throw new Error(`not all were answered 202: ${JSON.stringify(done.statuses)}`)
      return done
    }
    await run(bare.url, WARM_UP)
    await run(service.url, WARM_UP)
    await run(least.url, WARM_UP)
    const before = await run(bare.url, WEBHOOKS)
    const ours = await run(service.url, WEBHOOKS, WARM_UP)
    const after = await run(bare.url, WEBHOOKS)
    const leastSeconds = (await run(least.url, WEBHOOKS, WARM_UP)).seconds
    await service.stop()
    const alone = await storedAlone({ file: join(stage.folder, 'alone.db'), count: WEBHOOKS })
    const bareSeconds = (before.seconds + after.seconds) / 2
    return {
      value: bareSeconds / ours.seconds,
      parts: {
        'ours, webhooks/s': round(WEBHOOKS / ours.seconds),
        'bare route, requests/s': round(WEBHOOKS / bareSeconds),
        'a service that stores only the body and its digest, webhooks/s': round(WEBHOOKS / leastSeconds),
        'that service / the bare route': round(bareSeconds / leastSeconds),
        'the inbox alone, without HTTP, sales/s': round(WEBHOOKS / alone),
        'the inbox alone / the bare route': round(bareSeconds / alone),
        'ours, median ms': round(quantile(ours.latencies, 0.5)),
        'ours, p99 ms': round(quantile(ours.latencies, 0.99)),
      },
      notes: [`${WEBHOOKS} different webhooks, ${SENDERS} senders; the service enrolls at the same time.`],
    }
  },
}
