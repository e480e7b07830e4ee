import type { Action } from './actions.ts'
import type { Chance } from './chance.ts'
import { names } from './faults.ts'
import { CALL_MS, holdAnswer } from './incidents.ts'
import { rowOf, sellSettled } from './incidents-operator.ts'
import { MOST_MS } from './late-calls.ts'
import { HEALTHY } from './lms.ts'
import { keyOf, type Sale, within } from './record.ts'
import { refundByShop, type World } from './world.ts'

/** The time for the LMS to carry out all late calls for a buyer. */
const LATE_MS = 2 * MOST_MS
/** The time for a webhook to be answered, also by a replica that is paused. */
const ANSWER_MS = 60_000
const ACCOUNT = '/api/user/v1/accounts?email='

/** The buyer gets another address in the LMS, and another person sometimes the old one. Then the sale is taken back. */
const refundAfterMove: Action = async (world, chance) => {
  const { record, shop, replicas } = world
  const course = chance.pick(HEALTHY)
  const sale = await sellToAccount(world, course, chance)
  if (sale === null) return
  if (chance.happens(0.3)) return refundWhileMoving(world, { sale, course }, chance)
  const hasNext = await move(world, { sale, course }, chance)
  if (chance.happens(0.3)) {
    shop.repeat(sale, chance.pick(replicas))
    // A repeat that comes after the refund is a sale to the address again.
    const repeat = sale.sendings.at(-1)
    if (!(await within(ANSWER_MS, () => repeat?.answeredAt !== null, 100))) return
    await rowOf(world, sale, ({ isOpen }) => !isOpen)
  }
  if (hasNext && chance.happens(0.4)) {
    record.count('sales to the next owner of an address')
    const next = shop.create(sale.email, [course])
    shop.send(next, chance.pick(replicas))
    if (chance.happens(0.5)) await rowOf(world, next, ({ isOpen }) => !isOpen)
  }
  record.count('refunds after a change of address')
  await takeBack(world, await sellToMoved(world, { sale, course }, chance), chance)
}

/**
 * The buyer activates an account, and changes its address before a check sees it. Sometimes the shop repeats the sale, and
 * it is taken back.
 */
const refundAfterUnseenMove: Action = async (world, chance) => {
  const { record, shop, replicas } = world
  const course = chance.pick(HEALTHY)
  const sale = await sellSettled(world, { email: shop.fresh('new'), course }, chance)
  if (sale === null) return
  await activate(world, sale.email)
  await move(world, { sale, course }, chance)
  if (chance.happens(0.4)) {
    shop.repeat(sale, chance.pick(replicas))
    const repeat = sale.sendings.at(-1)
    if (!(await within(ANSWER_MS, () => repeat?.answeredAt !== null, 100))) return
    await rowOf(world, sale, ({ isOpen }) => !isOpen)
  }
  record.count('refunds after an unseen change of address')
  await takeBack(world, sale, chance)
}

/** Sometimes sells the course again, under the buyer's new address. Returns the sale that is to be taken back. */
async function sellToMoved(
  world: World,
  { sale, course }: { sale: Sale; course: string },
  chance: Chance,
): Promise<Sale> {
  const { record, shop, replicas } = world
  if (!chance.happens(0.4)) return sale
  record.count('sales to the new address')
  const again = shop.create(movedTo(sale.email), [course])
  shop.send(again, chance.pick(replicas))
  const isDone = chance.happens(0.7)
  const row = await rowOf(world, again, ({ isOpen }) => !(isDone && isOpen))
  return row === null ? sale : chance.pick([sale, again])
}

const movedTo = (email: string): string => email.replace('@example.com', '@moved.example')

/** The address changes after the service has looked for the buyer whom it is to take out. */
async function refundWhileMoving(world: World, of: { sale: Sale; course: string }, chance: Chance): Promise<void> {
  const { sale } = of
  const held = holdAnswer(
    world,
    ({ method, path }) => method === 'GET' && path.startsWith(ACCOUNT) && names({ path, body: '' }, sale.email),
  )
  const refunded = takeBack(world, sale, chance)
  const isHit = await within(CALL_MS, held.hit)
  await move(world, of, chance)
  if (isHit) world.record.count('changes of address during a refund')
  held.release()
  await refunded
}

/** Refunds as the shop does, or withdraws as an operator does. */
async function takeBack(world: World, sale: Sale, chance: Chance): Promise<void> {
  const { record, shop, command } = world
  if (chance.happens(0.8)) return void (await refundByShop(world, sale, chance))
  const sentAt = Date.now()
  record.note(`an operator withdraws ${sale.name}`, sale.email)
  const id = (await shop.rows()).get(sale.name)?.id ?? ''
  const { code, stderr } = await command(['deliveries', 'withdraw', id])
  if (code !== 0) return record.note(`the withdrawal was not ordered: ${stderr}`, sale.email)
  record.count('withdrawals by operators')
  shop.ordered(sale, sentAt)
}

/** Returns whether another person has the address from now on. Sometimes that one is in the course already. */
async function move(
  { record, lms }: World,
  { sale: { email }, course }: { sale: Sale; course: string },
  chance: Chance,
): Promise<boolean> {
  const to = movedTo(email)
  const isTaken = chance.happens(0.7)
  // A call that names the address would concern its next owner.
  await within(LATE_MS, () => lms.late.left(email) === 0, 100)
  record.count('changes of address')
  record.note(`the buyer changes the address in the LMS to ${to}`, email)
  await lms.address({ formerly: email, email: to })
  record.moved.push({ from: email, to, at: Date.now(), isTaken })
  if (!isTaken) return false
  const username = `next-${email.split('@')[0]}`
  record.count('next owners of an address')
  record.note(`${username} has the address from now on`, email)
  await lms.people({ email, username, active: true })
  if (chance.happens(0.5)) {
    record.placed.add(keyOf(email, course))
    await lms.seed({ enrollments: [{ email, course, mode: 'audit', active: true }] })
  }
  return true
}

/** Sells to a person until the service knows to which account; null if it takes too long. */
async function sellToAccount(world: World, course: string, chance: Chance): Promise<Sale | null> {
  const email = world.shop.fresh(chance.pick(['known', 'known', 'new']))
  const sale = await sellSettled(world, { email, course }, chance)
  if (sale === null) return null
  if (email.startsWith('new')) await activate(world, email)
  return (await rowOf(world, sale, ({ hasAccount }) => hasAccount)) === null ? null : sale
}

async function activate({ record, lms }: World, email: string): Promise<void> {
  record.registered.set(email, { isActive: true })
  record.note('registers, and activates the account', email)
  await lms.people({ email, username: email.split('@')[0] ?? '', active: false })
  await lms.activate(email)
}

export const ADDRESSES = {
  refundAfterUnseenMove: [refundAfterUnseenMove, 3],
  refundAfterMove: [refundAfterMove, 6],
} as const satisfies { [name: string]: readonly [Action, number] }
