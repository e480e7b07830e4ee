import { directBatches } from '../direct-batches.ts'
import { pairsIn } from '../lms-client.ts'
import { each, load, quantile } from '../load.ts'
import { ORIGINAL_MS, secondsOfOriginal } from '../original-cost.ts'
import { type Row, round } from '../row.ts'
import { salesOfOneCourse, webhooks } from '../sales.ts'
import { courseKey, makeWorld } from '../world.ts'

const WEBHOOKS = 2_000
const SENDERS = 256

/** Compares the service, with a stand-in of measured cost, with direct batches, and with the original by its recorded times. */
function throughput({
  name,
  title,
  originalMs,
  people,
  takes,
}: {
  name: string
  title: string
  /** How long the original occupies one of two workers for a webhook. */
  originalMs: number
  /** The number of buyers who have an account. */
  people: number
  takes: number
}): Row {
  return {
    name,
    title,
    goal: { at: 'least', value: 0.95, unit: 'times' },
    takes,
    run: async (stage) => {
      const [first, ...sales] = salesOfOneCourse({ count: WEBHOOKS + 1 })
      if (first === undefined) throw new Error('there is no sale')
      const newLms = () => stage.standIn({ world: makeWorld({ people }), throttle: 'off' })
      const lms = await newLms()
      const service = await stage.service({ lmsUrl: lms.url, env: { LERNITO_LMS_CALLS_PER_MINUTE: '0' } })
      const run = (url: string, some = sales) =>
        load({ url, senders: SENDERS, next: each(webhooks({ url, sales: some })) })
      await run(service.url, [first]) // a running service has its token, and knows the course and the LMS's APIs
      const ours = await run(service.url)
      const done = await pairsIn(lms.url)
      await service.stop()
      await lms.stop()
      if (done !== WEBHOOKS + 1 || ours.statuses[200] !== WEBHOOKS) {
        throw new Error(`${done} of ${WEBHOOKS + 1} are enrolled; answers: ${JSON.stringify(ours.statuses)}`)
      }
      const other = await newLms()
      const emails = sales.map(({ email }) => email)
      const directSeconds = await directBatches({ lmsUrl: other.url, emails, course: courseKey(0) })
      const originalSeconds = secondsOfOriginal(WEBHOOKS, originalMs)
      return {
        value: directSeconds / ours.seconds,
        parts: {
          'ours, webhooks/s': round(WEBHOOKS / ours.seconds),
          'the original, webhooks/s, computed': round(WEBHOOKS / originalSeconds),
          'direct calls of 50, two at once, enrollments/s': round(WEBHOOKS / directSeconds),
          'ours / the original': round(originalSeconds / ours.seconds),
          'ours, median ms': round(quantile(ours.latencies, 0.5)),
        },
        notes: [
          `The original is computed: each webhook occupies one of 2 workers for ${originalMs} ms, the fastest recorded time.`,
        ],
      }
    },
  }
}

export const unknownPeople = throughput({
  name: 'unknown-people',
  title: `${WEBHOOKS} webhooks, ${SENDERS} senders, unknown people: ours / direct batches of 50, two at once`,
  originalMs: ORIGINAL_MS.unknown,
  people: 0,
  takes: 25,
})

export const existingPeople = throughput({
  name: 'existing-people',
  title: `${WEBHOOKS} webhooks, ${SENDERS} senders, existing people: ours / direct batches of 50, two at once`,
  originalMs: ORIGINAL_MS.existing,
  people: WEBHOOKS + 1,
  takes: 75,
})
