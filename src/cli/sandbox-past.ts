import { type End, type PastSale, randomOf } from '../../sandbox/demo/plan.ts'
import { openDatabase } from '../database/database.ts'
import { migrate } from '../database/migrations/migrations.ts'
import { endIncident, reportIncident } from '../operators/incidents/incidents.ts'
import type { WriteContext } from '../queue/events.ts'
import { readDeliveries } from '../queue/lines.ts'
import { markHandled } from '../queue/mark-handled.ts'
import { createReplicas } from '../queue/replicas/replicas.ts'
import { toDelivery } from '../queue/rows.ts'
import { createShopAnswers, type ShopAnswer } from '../queue/shop-answers.ts'
import { createStore } from '../queue/store.ts'
import { createIds } from '../sale/ids.ts'
import { readJson } from '../sale/json/json.ts'
import type { Outcome, Reason, Settlement, VerifiedWebhook } from '../sale/types.ts'
import { describeOutcome } from '../sale/words.ts'
import { readSale } from '../shop/webhook/receive.ts'

const OPERATOR = 'admin'
const HANDLED_AFTER_MS = 2 * 3_600_000
const AWAY = 'The LMS is not available (503)'
/** From a sale to the end of its first attempt, while the LMS is away. */
const FAILS_AFTER_MS = 2_000

interface Step {
  readonly at: number
  readonly run: () => Promise<unknown>
}

/** Nobody is told what happened in the past. */
const UNHEARD = { hasOutbox: false, publish: (): void => {} }

/**
 * Writes past sales into a new inbox, by the writers of the service with a clock of the past, so that rows, timelines,
 * answers and the incident are what the service would have left. Throws AppError of the database.* codes.
 * @param of.url LERNITO_DATABASE_URL; no service may run on it
 */
export async function writePast(of: { url: string; sales: readonly PastSale[]; seed: number }): Promise<void> {
  const { url, sales, seed } = of
  const database = openDatabase({ url, serve: false })
  try {
    let at = sales[0]?.at ?? 0
    const now = (): number => at
    await migrate({ database, now: Date.now })
    const context = { database, now, newId: createIds({ now }), random: randomOf(seed), ...UNHEARD }
    const replicas = createReplicas({ database, newName: () => 'demo', deadAfterMs: 60_000, random: context.random })
    await replicas.join()
    const store = createStore({ ...context, replicas })
    const answers = createShopAnswers({ context, guard: (work) => work() })
    const ids = new Map<PastSale, string>()
    type Result = Omit<Settlement, 'id' | 'attempts' | 'generation' | 'effectUnknown'>
    const settle = async (sale: PastSale, result: Result): Promise<void> => {
      const id = ids.get(sale) ?? ''
      const [row] = await readDeliveries(database.db, [id])
      if (row === undefined) throw new Error(`delivery ${id} was not stored`)
      const delivery = toDelivery(row)
      await store.beginAttempt([delivery])
      const settlement = { ...result, id, attempts: 0, generation: 0, effectUnknown: false }
      await store.write([{ kind: 'settle', settlement, person: delivery.person }])
    }
    const steps = sales.flatMap((sale): Step[] => {
      const accept = async (): Promise<void> => {
        const [written] = await store.write([{ kind: 'accept', webhook: webhookOf(sale.payload) }])
        if (written === undefined) return
        ids.set(sale, written.id)
        answers.note({ ...answerTo(sale), events: written.events.slice(0, 1) })
      }
      const accepted = { at: sale.at, run: accept }
      if (sale.end === 'invalid') return [accepted]
      return [
        accepted,
        ...(sale.isInOutage ? [{ at: sale.at + FAILS_AFTER_MS, run: () => settle(sale, waitOf(sale)) }] : []),
        { at: sale.settledAt, run: () => settle(sale, resultOf(sale)) },
        ...(sale.end === 'handled'
          ? [{ at: sale.settledAt + HANDLED_AFTER_MS, run: () => handle(ids.get(sale)) }]
          : []),
      ]
    })
    const handle = (id = '') =>
      markHandled(context, { id, as: 'settled', note: 'Enrolled by hand in PY101.', by: OPERATOR })
    steps.push(...incidentOf(context, sales))
    for (const step of steps.sort((a, b) => a.at - b.at)) {
      at = step.at // ids and rows get their times from it, in order
      await step.run()
    }
    await answers.flush()
    await replicas.leave()
  } finally {
    await database.close()
  }
}

/** What the shop was answered, as route.ts answers it. */
function answerTo({ at, settledAt, end, isInOutage }: PastSale): ShopAnswer {
  const isGood = end === 'enrolled' || end === 'pre_enrolled'
  const ms = end === 'invalid' ? 4 : isInOutage ? FAILS_AFTER_MS : settledAt - at
  return { at: at + ms, status: isInOutage ? 500 : isGood ? 200 : 400, ms }
}

/** The outage as the service saw it: from the first sale that failed until shortly before the first of them was enrolled. */
function incidentOf(context: WriteContext, sales: readonly PastSale[]): Step[] {
  const late = sales.filter(({ isInOutage }) => isInOutage)
  if (late.length === 0) return []
  const since = Math.min(...late.map(({ at }) => at)) + FAILS_AFTER_MS
  const end = Math.min(...late.map(({ settledAt }) => settledAt)) - 1_000
  return [
    { at: since, run: () => reportIncident(context, { kind: 'down', cause: AWAY, since }) },
    { at: end, run: () => endIncident(context, { kind: 'down', at: end }) },
  ]
}

/** The webhook as the service reads it. */
function webhookOf(payload: PastSale['payload']): VerifiedWebhook {
  const text = JSON.stringify(payload)
  return readSale({ json: readJson(text), body: new TextEncoder().encode(text), form: 'original', secretIndex: 0 })
}

function resultOf({ end, payload }: PastSale): Pick<Settlement, 'outcome' | 'dueAt' | 'detail'> {
  const outcome = outcomeOf(end, payload)
  return { outcome, dueAt: null, detail: describeOutcome(outcome) }
}

/** The result of an attempt while the LMS is away. */
const waitOf = ({ settledAt }: PastSale): Pick<Settlement, 'outcome' | 'dueAt' | 'detail'> => ({
  outcome: { courses: {}, reason: null },
  dueAt: settledAt,
  detail: `no attempt counted: ${AWAY}`,
})

function outcomeOf(end: End, { courseIds }: PastSale['payload']): Outcome {
  const [course = ''] = courseIds
  const refused = (reason: Reason): Outcome => ({ courses: {}, reason })
  if (end === 'missing' || end === 'handled') return refused({ code: 'course.missing', subject: course })
  if (end === 'retired') return refused({ code: 'person.retired', subject: '' })
  if (end === 'full') {
    const whom = `for the buyer in course '${course}'`
    const hint = "most likely the course is full; the LMS's log has the cause"
    const subject = `An error occurred while creating the new course enrollment ${whom} (${hint})`
    return refused({ code: 'lms.refused', subject, course })
  }
  const result = end === 'pre_enrolled' ? 'allowed' : 'enrolled'
  return { courses: Object.fromEntries(courseIds.map((id) => [id, result])), reason: null }
}
