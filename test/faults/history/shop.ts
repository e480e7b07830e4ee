import { z } from 'zod'
import { refund } from '../../enroll/withdraw/refunding.ts'
import { sell } from '../../service/serving.ts'
import { deliveriesIn } from '../load.ts'
import type { Chance } from './chance.ts'
import { FAILING, HEALTHY } from './lms.ts'
import type { Record, Refund, Sale, Sending } from './record.ts'
import type { Replica } from './replicas.ts'

/** A stored delivery. */
export interface Row {
  readonly id: string
  readonly email: string
  readonly state: string
  readonly isOpen: boolean
  /** The code of its outcome's reason. */
  readonly reason: string | null
  /** Whether it knows the account that a course was given to. */
  readonly hasAccount: boolean
}

const keptSchema = z.object({ kept: z.array(z.object({ course: z.string() })).default([]) })
const requestSchema = z.object({ name: z.string() })
const KINDS = ['known', 'idle', 'new'] as const
type Kind = (typeof KINDS)[number]

/** The shop: makes sales and sends their webhooks. */
export function createShop({ record, databaseUrl }: { record: Record; databaseUrl: string }) {
  const numbers = { known: 0, idle: 0, new: 0 }
  /** People whom one incident uses; no other action may. */
  const reserved = new Set<string>()
  const answers = new Set<Promise<void>>()
  const awaited = (answered: Promise<void>): Promise<void> => {
    answers.add(answered)
    return answered.finally(() => answers.delete(answered))
  }

  const create = (email: string, courses: readonly string[]): Sale => {
    const sale: Sale = { name: `sale${record.sales.length}`, email, courses, sendings: [], storedAt: null }
    record.sales.push(sale)
    record.count('sales')
    return sale
  }

  /** Posts a sale without waiting for the answer. */
  const send = (sale: Sale, replica: Replica): void => {
    const sending = { sentAt: Date.now(), replica: replica.name, answeredAt: null, status: null }
    sale.sendings.push(sending)
    const { email, courses: courseIds, name } = sale
    const answered = sell({ url: replica.url(), email, courseIds, name }).then((answer) => {
      const status = answer?.status ?? null
      Object.assign(sending, { answeredAt: Date.now(), status })
      record.count(`answer ${status ?? 'none'}`)
    })
    void awaited(answered)
  }

  /** Sends a refund, and resolves when its answer has come or its connection has ended. */
  const askFor = (one: Refund, replica: Replica): Promise<void> => {
    const sending: Sending = { sentAt: Date.now(), replica: replica.name, answeredAt: null, status: null }
    one.sendings.push(sending)
    const { email, courses: courseIds, name } = one.sale
    const answered = refund({ url: replica.url(), id: one.id, email, courseIds, name })
      .catch(() => null)
      .then((answer) => {
        const status = answer?.status ?? null
        const kept = keptSchema.parse(answer?.json ?? {}).kept.map(({ course }) => course)
        Object.assign(sending, { answeredAt: Date.now(), status, kept })
        record.count(`refund answer ${status ?? 'none'}`)
      })
    return awaited(answered)
  }

  return {
    create,
    send,
    askFor,

    /** Asks the service to refund a sale. Resolves when the answer has come or the connection has ended. */
    refund: async (sale: Sale, replica: Replica): Promise<Refund> => {
      const one: Refund = { id: `refund-${record.refunds.length}`, sale, sendings: [] }
      record.refunds.push(one)
      record.count('refunds by the shop')
      await askFor(one, replica)
      return one
    },

    /** A refund that an operator ordered at that time: the service carries it out as one of the shop. */
    ordered: (sale: Sale, sentAt: number): void => {
      const sending = { sentAt, replica: 'an operator', answeredAt: Date.now(), status: 202 }
      record.refunds.push({ id: `withdrawal-${record.refunds.length}`, sale, sendings: [sending] })
    },

    /** The sale with which an operator replaces another one. Makes nothing. */
    corrected: (sale: Sale, changes: { email?: string; courses?: readonly string[] }): Sale => {
      const { name, email, courses } = { ...sale, ...changes }
      const one: Sale = { name: `${name}>`, email, courses, sendings: [], storedAt: null, corrects: sale }
      record.sales.push(one)
      return one
    },

    repeat: (sale: Sale, replica: Replica): void => {
      record.count('repeats')
      send(sale, replica)
    },

    /** Makes sales to people whom no other action uses, now or later. */
    sellApart: (buyers: readonly { email: string; course: string }[], replica: Replica): Sale[] =>
      buyers.map(({ email, course }) => {
        reserved.add(email)
        const sale = create(email, [course])
        send(sale, replica)
        return sale
      }),

    /** Returns a person who has bought nothing yet. */
    fresh: (kind: Kind): string => `${kind}${numbers[kind]++}@example.com`,

    /** Returns one, two or three courses, and sometimes the failing one as well. */
    courses: (chance: Chance): string[] => {
      const count = chance.pick([1, 1, 1, 2, 2, 3])
      const healthy = Array.from({ length: count }, () => chance.pick(HEALTHY))
      return [...new Set(chance.happens(0.04) ? [...healthy, FAILING] : healthy)]
    },

    reserved,

    /** Returns all deliveries by the name of their sale; `NAME>` is that of a correction. */
    rows: async (): Promise<Map<string, Row>> => {
      const stored = await deliveriesIn(databaseUrl)
      const rows = stored.map(({ id, email, state, request, reason, replaces, lines }): [string, Row] => {
        const isOpen = state === 'queued'
        const { name } = requestSchema.parse(JSON.parse(request ?? '{}'))
        const hasAccount = lines.some(({ account }) => account !== null)
        const row = { id, email: email ?? '', state, isOpen, reason, hasAccount }
        return [replaces === null ? name : `${name}>`, row]
      })
      const byName = new Map(rows)
      for (const sale of record.sales) if (byName.has(sale.name)) sale.storedAt ??= Date.now()
      return byName
    },

    /** Waits until every webhook is answered, or its connection has ended. */
    allAnswered: async (): Promise<void> => void (await Promise.all(answers)),
  }
}
export type Shop = ReturnType<typeof createShop>
