import { setTimeout as delay } from 'node:timers/promises'
import { page } from '../fault-proxy.ts'
import type { Chance } from './chance.ts'
import { type FaultName, isEnrolling, isThrottled, REPLIES } from './faults.ts'
import { FAILING } from './lms.ts'
import type { Replica } from './replicas.ts'
import { free, occupying, refund, refundByShop, type World } from './world.ts'

/** An action of the history. It ends when its fault is over; other actions run at the same time. */
export type Action = (world: World, chance: Chance) => Promise<void>

const sale: Action = async ({ record, shop, replicas }, chance) => {
  const former = record.sales.filter(({ email }) => !shop.reserved.has(email))
  const again = former.length > 0 && chance.happens(0.25)
  const email = again
    ? chance.pick(former).email
    : shop.fresh(chance.pick(['known', 'known', 'known', 'new', 'new', 'new', 'idle']))
  shop.send(shop.create(email, shop.courses(chance)), chance.pick(replicas))
}

const repeat: Action = async ({ record, shop, replicas }, chance) => {
  const former = record.sales.filter(({ email }) => !shop.reserved.has(email))
  if (former.length > 0) shop.repeat(chance.pick(former), chance.pick(replicas))
}

/** Refunds a settled sale, so that its first attempt can't come afterwards. */
const refundSettled: Action = async (world, chance) => {
  const { record, shop } = world
  const readAt = Date.now()
  const rows = await shop.rows()
  const open = [...rows.values()].filter(({ isOpen }) => isOpen).map(({ email }) => email)
  const sent = record.sales.filter((one) =>
    one.sendings.some(({ sentAt, answeredAt }) => answeredAt === null || sentAt >= readAt),
  )
  const away = new Set([...open, ...sent.map(({ email }) => email), ...shop.reserved])
  const settled = record.sales.filter(({ name, email }) => rows.has(name) && !away.has(email))
  if (settled.length === 0) return
  const { email, courses } = chance.pick(settled)
  shop.reserved.add(email)
  await refund(world, email, chance.pick(courses))
  shop.reserved.delete(email)
}

/** The shop refunds a sale at any time. */
const shopRefund: Action = async (world, chance) => {
  const { record, shop } = world
  const sold = record.sales.filter(({ email, courses }) => !shop.reserved.has(email) && !courses.includes(FAILING))
  if (sold.length === 0) return
  const sale = chance.pick(sold)
  const isAccepted = ['enrolled', 'pre_enrolled', 'queued'].includes((await shop.rows()).get(sale.name)?.state ?? '')
  if (isAccepted) await refundByShop(world, sale, chance)
}

/** A buyer without an account registers; the account is not active yet. */
const register: Action = async ({ record, lms }, chance) => {
  const emails = record.sales.map(({ email }) => email)
  const mayRegister = (email: string): boolean => !record.registered.has(email) && !record.namesakes.has(email)
  const unknown = emails.filter((email) => email.startsWith('new') && mayRegister(email))
  if (unknown.length === 0) return
  const email = chance.pick(unknown)
  record.registered.set(email, { isActive: false })
  record.count('registrations')
  record.note('registers', email)
  await lms.people({ email, username: email.split('@')[0] ?? '', active: false })
}

const activate: Action = async ({ record, lms }, chance) => {
  const inactive = [...record.registered].filter(([, { isActive }]) => !isActive)
  if (inactive.length === 0) return
  const [email] = chance.pick(inactive)
  record.registered.set(email, { isActive: true })
  record.count('activations')
  record.note('activates the account', email)
  await lms.activate(email)
}

const kill: Action = (world, chance) => restart(world, chance, 'SIGKILL')
const stop: Action = (world, chance) => restart(world, chance, 'SIGTERM')

async function restart(world: World, chance: Chance, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const replica = spare(world, chance)
  if (replica === null) return
  world.record.count(signal === 'SIGKILL' ? 'kills' : 'restarts')
  await occupying(replica, async () => {
    await replica.end(signal)
    await delay(chance.between(0, 1000))
    await replica.start(chance)
  })
}

const pause: Action = async (world, chance) => {
  const replica = spare(world, chance)
  if (replica === null) return
  world.record.count('pauses')
  await occupying(replica, async () => {
    replica.freeze()
    await delay(chance.between(1000, 4000))
    replica.thaw()
  })
}

const partition: Action = async (world, chance) => {
  const replica = spare(world, chance)
  const cutOff = replica?.cutOff ?? null
  if (replica === null || cutOff === null) return
  world.record.count('partitions')
  await occupying(replica, async () => {
    cutOff(true)
    await delay(chance.between(1000, 6000))
    cutOff(false)
  })
}

/** Returns a replica that is free for an action, or null. Of several one is always left alone, a single one sometimes. */
export function spare(world: World, chance: Chance): Replica | null {
  const idle = free(world)
  const isAlone = world.replicas.length === 1
  if (idle.length === 0 || (isAlone ? chance.happens(0.4) : idle.length === 1)) return null
  return chance.pick(idle)
}

/** The LMS and its heartbeat are unavailable for a while. */
const outage: Action = async ({ record, lms }, chance) => {
  let isOver = false
  lms.addFault({ name: 'outage', fits: () => !isOver, reply: () => page(503), left: Number.POSITIVE_INFINITY })
  record.note('the LMS answers 503 to everything')
  await delay(chance.between(300, 2000))
  isOver = true
  record.note('the LMS is back')
}

const fault =
  (name: FaultName): Action =>
  async ({ lms }) => {
    const fits = name === '429' ? isThrottled : isEnrolling
    lms.addFault({ name, fits, reply: REPLIES[name], left: 1 })
  }

export const ACTIONS = {
  sale: [sale, 34],
  repeat: [repeat, 8],
  refund: [refundSettled, 10],
  shopRefund: [shopRefund, 3],
  register: [register, 4],
  activate: [activate, 4],
  kill: [kill, 9],
  restart: [stop, 2],
  pause: [pause, 9],
  partition: [partition, 4],
  outage: [outage, 0.7],
  error: [fault('error 500'), 1.5],
  throttled: [fault('429'), 1],
  cut: [fault('cut before'), 1.5],
  hang: [fault('hang'), 0.7],
  lost: [fault('lost answer'), 2],
  slow: [fault('slow answer'), 2],
  deadlock: [fault('deadlock'), 1.5],
} as const satisfies { [name: string]: readonly [Action, number] }
