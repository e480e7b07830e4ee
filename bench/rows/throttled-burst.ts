import { type CallPerPerson, callPerPerson } from '../call-per-person.ts'
import { pairsIn, throttledCalls } from '../lms-client.ts'
import { each, load } from '../load.ts'
import { secondsOfOriginal } from '../original-cost.ts'
import { type Row, round } from '../row.ts'
import { salesOfOneCourse, webhooks } from '../sales.ts'
import { courseKey, emailOf, makeWorld } from '../world.ts'

const WEBHOOKS = 1_000
const THROTTLE = 120
/** A few more than the throttle allows in its first minute, so that the client waits once. */
const MEASURED = THROTTLE + 10

export const throttledBurst: Row = {
  name: 'throttled-burst',
  title: `${WEBHOOKS} webhooks at once, one course, stock throttle: a call-per-person client / ours`,
  goal: { at: 'least', value: 100, unit: 'times' },
  takes: 75,
  run: async (stage) => {
    const world = makeWorld()
    const lms = await stage.standIn({ world, throttle: THROTTLE, modify: false })
    const service = await stage.service({ lmsUrl: lms.url })
    const other = await stage.standIn({ world, throttle: THROTTLE })
    // Meanwhile the service is idle and its call budget fills up, as it does in a service that has run for a while.
    const emails = Array.from({ length: MEASURED }, (_, n) => emailOf(n))
    const baseline = await callPerPerson({ lmsUrl: other.url, emails, course: courseKey(0) })
    await other.stop()

    const sales = webhooks({ url: service.url, sales: salesOfOneCourse({ count: WEBHOOKS }) })
    const ours = await load({ url: service.url, senders: WEBHOOKS, next: each(sales) })
    const done = await pairsIn(lms.url)
    const { answered, refused } = await throttledCalls(lms.url)
    if (done !== WEBHOOKS) throw new Error(`${done} of ${WEBHOOKS} are enrolled after all answers`)
    const baselineSeconds = secondsOfAll(baseline)
    return {
      value: baselineSeconds / ours.seconds,
      parts: {
        'ours, s': round(ours.seconds),
        'ours, calls': answered,
        'ours, 429s': refused,
        'ours, answers': JSON.stringify(ours.statuses),
        [`call per person, s for ${baseline.calls} people, measured`]: round(baseline.seconds),
        [`call per person, s for ${WEBHOOKS} people, computed`]: round(baselineSeconds),
        'the original, which no throttle counts, s, computed': round(secondsOfOriginal(WEBHOOKS)),
      },
      notes: [
        `The call-per-person client ran for ${MEASURED} people, with one 429 and its Retry-After of ${baseline.waits[0]} s. The rest is computed: the throttle allows ${THROTTLE} calls, then requires that wait.`,
      ],
    }
  },
}

/** Each full quota of the throttle except the last is followed by a wait. Calls are as fast as measured. */
function secondsOfAll({ seconds, calls, waits }: CallPerPerson): number {
  const [wait = 0] = waits
  const callSeconds = (seconds - waits.reduce((sum, one) => sum + one, 0)) / calls
  return Math.floor((WEBHOOKS - 1) / THROTTLE) * (THROTTLE * callSeconds + wait) + remainder() * callSeconds
}

const remainder = (): number => ((WEBHOOKS - 1) % THROTTLE) + 1
