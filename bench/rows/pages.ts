import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Operations } from '../../src/operations/operations.ts'
import type { DeliveryFilter } from '../../src/search/filter.ts'
import { quantile } from '../load.ts'
import { type Row, round } from '../row.ts'
import { storeOf } from '../stored-deliveries.ts'
import { courseKey, emailOf } from '../world.ts'

const FEW = 1_000
const MANY = 1_000_000
const DUE = 500
const ROUNDS = 15

const SEARCHES: Readonly<Record<string, DeliveryFilter>> = {
  all: {},
  'an address': { email: emailOf(7) },
  'a rare prefix': { emailPrefix: 'buyer123' },
  'a prefix of all': { emailPrefix: 'b' },
  'a username': { username: 'buyer7' },
  'a course': { course: courseKey(7) },
  'needs attention': { states: ['needs_attention'] },
  'a course, needs attention': { course: courseKey(7), states: ['needs_attention'] },
  'a common prefix, needs attention': { emailPrefix: 'buyer1', states: ['needs_attention'] },
  'a prefix of all, rejected (none)': { emailPrefix: 'b', states: ['rejected'] },
  'a common prefix in old rows, a course': { emailPrefix: 'buyer1', course: courseKey(7) },
}

type Question = (operations: Operations) => Promise<unknown>

const QUESTIONS: Readonly<Record<string, Question>> = {
  overview: (operations) => operations.overview(),
  'a delivery and its timeline': async (operations) => {
    const [first] = (await operations.list({ filter: {}, limit: 1 })).items
    await operations.show(first?.id ?? '')
    await operations.timeline(first?.id ?? '')
  },
  'the audit': (operations) => operations.audit({}),
  ...Object.fromEntries(
    Object.entries(SEARCHES).map(([name, filter]): [string, Question] => [
      `list: ${name}`,
      (operations) => operations.list({ filter }),
    ]),
  ),
}

export const pages: Row = {
  name: 'pages',
  title: 'the slowest page of the console at 10^6 stored deliveries',
  goal: { at: 'most', value: 100, unit: 'ms' },
  takes: 60,
  run: async ({ folder }) => {
    const few = await storeOf({ file: join(folder, 'few.db'), stored: FEW, due: DUE })
    const many = await storeOf({ file: join(folder, 'many.db'), stored: MANY, due: DUE })
    const loop = monitorEventLoopDelay({ resolution: 1 })
    const parts: Record<string, number> = {}
    let slowest = 0
    for (const [name, ask] of Object.entries(QUESTIONS)) {
      const before = await median(few.operations, ask)
      loop.enable()
      const after = await median(many.operations, ask)
      loop.disable()
      parts[`${name}: at 10^3, median ms`] = round(before)
      parts[`${name}: at 10^6, median ms`] = round(after)
      slowest = Math.max(slowest, after)
    }
    parts['longest block of the event loop, ms'] = round(loop.max / 1e6)
    await few.close()
    await many.close()
    return {
      value: slowest,
      parts,
      notes: [`Without HTML and HTTP; a list is its first page of 50. ${ROUNDS} times each, medians.`],
    }
  },
}

async function median(operations: Operations, ask: Question): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now()
    await ask(operations)
    times.push(performance.now() - began)
  }
  return quantile(times, 0.5)
}
