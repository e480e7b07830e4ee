import { load } from '../load.ts'
import { memoryOf } from '../processes.ts'
import { type Row, round } from '../row.ts'
import { unsignedWebhook } from '../sales.ts'
import { makeWorld } from '../world.ts'

const WARM_UP = 20_000
const REQUESTS = 1_000_000
const SENDERS = 32
const MANY_SENDERS = 256
const OF_MANY = 400_000

export const memory: Row = {
  name: 'memory',
  title: 'memory (RSS) after 10^6 rejected requests / before',
  goal: { at: 'most', value: 1.2, unit: 'times' },
  takes: 80,
  run: async (stage) => {
    const lms = await stage.standIn({ world: makeWorld() })
    const service = await stage.service({ lmsUrl: lms.url })
    const request = unsignedWebhook({ url: service.url })
    const reject = async (count: number, senders = SENDERS): Promise<number> => {
      let left = count
      const next = (): Buffer | null => (left-- > 0 ? request : null)
      const { statuses, seconds } = await load({ url: service.url, senders, next })
      if (statuses[401] !== count) throw new Error(`not all were answered 401: ${JSON.stringify(statuses)}`)
      return seconds
    }
    const atStart = memoryOf(service.pid)
    await reject(WARM_UP)
    const before = memoryOf(service.pid)
    const seconds = await reject(REQUESTS)
    const after = memoryOf(service.pid)
    await reject(OF_MANY / 2, MANY_SENDERS)
    const halfOfMany = memoryOf(service.pid)
    await reject(OF_MANY / 2, MANY_SENDERS)
    return {
      value: after / before,
      parts: {
        'at the start, MiB': round(atStart),
        'before, MiB': round(before),
        'after, MiB': round(after),
        [`then ${MANY_SENDERS} senders, after ${OF_MANY / 2}, MiB`]: round(halfOfMany),
        [`then ${MANY_SENDERS} senders, after ${OF_MANY}, MiB`]: round(memoryOf(service.pid)),
        'rejected requests/s': round(REQUESTS / seconds),
      },
      notes: [
        `"Before" is after ${WARM_UP} rejected requests, because a new process still compiles its code. ${SENDERS} senders, each with one request in flight.`,
      ],
    }
  },
}
