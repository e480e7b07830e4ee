import { delayFsyncs } from '../../test/service/strace.ts'
import { openConnection } from '../http-client.ts'
import { each, load, quantile } from '../load.ts'
import type { Stage } from '../processes.ts'
import { type Row, round } from '../row.ts'
import { salesOfOneCourse, unsignedWebhook, webhooks } from '../sales.ts'
import { makeWorld } from '../world.ts'

const WEBHOOKS = 300
const SENDERS = 8
const FSYNC_MS = 200

/** Both questions are asked one after the other, by one connection, for as long as sales are being stored. */
export const slowDisk: Row = {
  name: 'slow-disk',
  title: `p99 of /healthz while each fsync takes ${FSYNC_MS} ms`,
  goal: { at: 'most', value: 10, unit: 'ms' },
  takes: 60,
  run: async (stage) => {
    const quick = await measured(stage, [])
    const slow = await measured(stage, delayFsyncs(FSYNC_MS))
    return {
      value: quantile(slow.health, 0.99),
      parts: {
        'a refusal, p99 ms': round(quantile(slow.refusal, 0.99)),
        'a stored webhook, median ms': round(quantile(slow.webhooks, 0.5)),
        '/healthz on a quick disk, p99 ms': round(quantile(quick.health, 0.99)),
        'a refusal on a quick disk, p99 ms': round(quantile(quick.refusal, 0.99)),
        'a stored webhook on a quick disk, median ms': round(quantile(quick.webhooks, 0.5)),
        'questions asked meanwhile': slow.health.length,
      },
      notes: [
        `strace delays each fsync. ${WEBHOOKS} webhooks by ${SENDERS} senders, answered 202 when they are stored.`,
      ],
    }
  },
}

async function measured(stage: Stage, under: readonly string[]) {
  const lms = await stage.standIn({ world: makeWorld(), throttle: 'off', cost: 'none' })
  const env = { LERNITO_ANSWER_WITHIN_MS: '0', LERNITO_DATABASE_URL: `sqlite:${stage.folder}/${under.length}.db` }
  const service = await stage.service({ lmsUrl: lms.url, env, under })
  const { url } = service
  const work = { done: false }
  const sending = load({
    url,
    senders: SENDERS,
    next: each(webhooks({ url, sales: salesOfOneCourse({ count: WEBHOOKS }) })),
  }).finally(() => {
    work.done = true
  })
  const asking = await openConnection(url)
  const health: number[] = []
  const refusal: number[] = []
  const get = Buffer.from(`GET /healthz HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`)
  while (!work.done) {
    health.push((await asking.send(get)).ms)
    refusal.push((await asking.send(unsignedWebhook({ url }))).ms)
  }
  asking.close()
  const { statuses, latencies } = await sending
  if (statuses[202] !== WEBHOOKS) throw new Error(`not all were answered 202: ${JSON.stringify(statuses)}`)
  await service.stop()
  await lms.stop()
  return { health, refusal, webhooks: latencies }
}
