import { setTimeout as delay } from 'node:timers/promises'
import { pairsIn, throttledCalls } from '../lms-client.ts'
import { each, load } from '../load.ts'
import { secondsOfOriginal } from '../original-cost.ts'
import type { Stage } from '../processes.ts'
import { type Row, round } from '../row.ts'
import { type Sale, salesOfManyCourses, salesOfOneCourse, webhooks } from '../sales.ts'
import { makeWorld } from '../world.ts'

const WEBHOOKS = 1_000
const COURSES = 30
const END_MS = 180_000
/** A sale before the clock starts, to another person. */
const FIRST = salesOfOneCourse({ count: 1, from: WEBHOOKS })
const WHAT = `${WEBHOOKS} webhooks at once, 1-3 out of ${COURSES} courses, stock throttle`

export const manyCourses: Row = {
  name: 'many-courses',
  title: `${WHAT}, without enrollments/modify: calls`,
  goal: { at: 'most', value: 60, unit: 'calls' },
  takes: 60,
  run: async (stage) => {
    const { pairs, seconds, answered, refused, statuses, sales } = await run({ stage, modify: false })
    return {
      value: answered + refused,
      parts: {
        'pairs of person and course': pairs,
        'calls, if each had up to 50 people of one course': callsOf50(sales),
        'pairs a call': round(pairs / answered),
        '429s': refused,
        'all enrolled after, s': round(seconds),
        'the original, which no throttle counts, s, computed': round(secondsOfOriginal(pairs)),
        answers: statuses,
      },
      notes: [
        'The same sales in every run. A sender that is not answered within 8 s gets a 500; its sale is kept and enrolled.',
      ],
    }
  },
}

export const manyCoursesWithModify: Row = {
  name: 'many-courses-modify',
  title: `${WHAT}, with enrollments/modify: until all are enrolled`,
  goal: { at: 'most', value: 6, unit: 's' },
  takes: 30,
  run: async (stage) => {
    const { pairs, seconds, answered, refused, statuses } = await run({ stage, modify: true })
    return {
      value: seconds,
      parts: {
        'pairs of person and course': pairs,
        'throttled calls': answered,
        '429s': refused,
        'the original, which no throttle counts, s, computed': round(secondsOfOriginal(pairs)),
        answers: statuses,
      },
    }
  },
}

async function run({ stage, modify }: { stage: Stage; modify: boolean }) {
  const lms = await stage.standIn({ world: makeWorld({ courses: COURSES }), modify })
  const service = await stage.service({ lmsUrl: lms.url })
  const sales = salesOfManyCourses({ count: WEBHOOKS, courses: COURSES })
  const send = (some: readonly Sale[], senders: number) =>
    load({ url: service.url, senders, next: each(webhooks({ url: service.url, sales: some })) })
  const first = modify ? FIRST : []
  await send(first, 1) // a running service has its token, and knows the LMS's APIs
  const pairs = [...first, ...sales].reduce((sum, { courseIds }) => sum + courseIds.length, 0)
  const answers = await send(sales, WEBHOOKS)
  const began = performance.now() - 1000 * answers.seconds // the connections are open from then on
  let done = await pairsIn(lms.url)
  for (; done < pairs && performance.now() - began < END_MS; done = await pairsIn(lms.url)) await delay(250)
  const isAnswered = answers.statuses[200] === WEBHOOKS // then all were enrolled before the last answer
  const seconds = isAnswered ? answers.seconds : (performance.now() - began) / 1000
  if (done !== pairs) throw new Error(`${done} of ${pairs} (person, course) pairs are there after ${round(seconds)} s`)
  return { sales, pairs, seconds, statuses: JSON.stringify(answers.statuses), ...(await throttledCalls(lms.url)) }
}

/** If everybody were there before the first call, and no call were larger. */
function callsOf50(sales: readonly Sale[]): number {
  const buyers = Map.groupBy(
    sales.flatMap(({ courseIds }) => courseIds),
    (course) => course,
  )
  return [...buyers.values()].reduce((calls, { length }) => calls + Math.ceil(length / 50), 0)
}
