import assert from 'node:assert/strict'
import type { Action } from './actions.ts'
import type { Chance } from './chance.ts'
import { isUnenrolling, names } from './faults.ts'
import { holdAnswer } from './incidents.ts'
import { HEALTHY, MODE_COURSE } from './lms.ts'
import { keyOf, type Sale, within } from './record.ts'
import type { Row } from './shop.ts'
import { refund, refundByShop, type World } from './world.ts'

/** The time for a sale to be settled. */
const SETTLED_MS = 20_000
/** The time for a command to start and to make its first call. */
const COMMAND_MS = 30_000
/** The time for a round of the follow-up to come to a buyer. */
const ROUND_MS = 15_000
const SEARCH = '/api/user/v1/accounts/search_emails'

/** Somebody else has the buyer's address as a username. Sometimes the shop refunds the sale. */
const stranger: Action = async (world, chance) => {
  const { lms, record, shop } = world
  const buyer = { email: shop.fresh('new'), course: chance.pick(HEALTHY) }
  const email = buyer.email.replace('new', 'stranger')
  record.namesakes.add(buyer.email)
  record.count('strangers')
  record.note(`${email} registers with this address as the username`, buyer.email)
  await lms.people({ email, username: buyer.email, active: chance.happens(0.7) })
  if (chance.happens(0.3)) {
    record.placed.add(keyOf(email, buyer.course))
    await lms.seed({ enrollments: [{ email, course: buyer.course, mode: 'verified', active: true }] })
  }
  const sale = await sellSettled(world, buyer, chance)
  if (sale !== null && chance.happens(0.5)) await refundByShop(world, sale, chance)
}

/** An operator corrects a sale, and then the shop refunds what it had sold. */
const refundAfterCorrection: Action = async (world, chance) => {
  const { record, shop, correct } = world
  const course = chance.pick(HEALTHY)
  const sale = await sellSettled(world, { email: shop.fresh(chance.pick(['new', 'known'])), course }, chance)
  if (sale === null) return
  const right = chance.happens(0.5) ? { email: shop.fresh('known') } : { courses: [chance.pick(HEALTHY)] }
  if (right.courses?.includes(course)) return
  if (right.email !== undefined) shop.reserved.add(right.email)
  const corrected = shop.corrected(sale, right)
  const id = (await shop.rows()).get(sale.name)?.id ?? ''
  const { email, courses: courseIds } = right
  const change = JSON.stringify({ email, courseIds })
  const sentAt = Date.now()
  record.note(`an operator corrects ${sale.name}: ${change}`, sale.email)
  const { code, stderr } = await correct([id, change])
  corrected.sendings.push({ sentAt, replica: 'an operator', answeredAt: Date.now(), status: code === 0 ? 200 : null })
  if (code !== 0) return record.note(`the correction failed: ${stderr}`, sale.email)
  record.count('corrections')
  if (chance.happens(0.7)) await rowOf(world, corrected, ({ isOpen }) => !isOpen)
  await refundByShop(world, sale, chance)
}

/** A pre-enrolled buyer registers. While the follow-up changes the course mode, the sale is refunded. */
const refundDuringFollowUp: Action = async (world, chance) => {
  const { record, lms, shop } = world
  const email = shop.fresh('new')
  const sale = await sellSettled(world, { email, course: MODE_COURSE }, chance)
  if (sale === null) return
  const held = holdAnswer(
    world,
    ({ method, path }) => method === 'GET' && /v1\/enrollment\/[^/]+,/.test(path) && names({ path, body: '' }, email),
  )
  record.registered.set(email, { isActive: true })
  record.note('registers, and activates the account', email)
  await lms.people({ email, username: email.split('@')[0] ?? '', active: false })
  await lms.activate(email)
  if (await within(ROUND_MS, held.hit)) {
    record.count('refunds during the follow-up')
    const refunded = chance.happens(0.7) ? refundByShop(world, sale, chance) : refund(world, email, MODE_COURSE)
    await within(3000, () => isOut(world, email))
    held.release()
    await refunded
  }
  held.release()
}

/** While the buyer is taken out, an operator replays all that the address has bought, done or not. */
const replayDuringRefund: Action = async (world, chance) => {
  const { record, shop, command } = world
  const email = shop.fresh('known')
  const sale = await sellSettled(world, { email, course: chance.pick(HEALTHY) }, chance)
  if (sale === null) return
  const held = holdAnswer(world, (call) => isUnenrolling(call) && names(call, email))
  const refunded = refundByShop(world, sale, chance)
  if (await within(COMMAND_MS, held.hit)) {
    record.count('bulk replays during a refund')
    record.note('an operator replays all sales to this address', email)
    await command(['deliveries', 'replay', '--email', email, '--enrolled'])
  }
  held.release()
  await refunded
}

/** `reconcile --fix` as an operator runs it. */
const reconcile: Action = async (world) => {
  world.record.count('reconciles')
  await world.command(['reconcile', '--fix'])
}

/** The LMS has lost an enrollment. While `reconcile --fix` is about to repair it, the shop refunds the sale. */
const refundDuringReconcile: Action = async (world, chance) => {
  const { record, lms, shop, command } = world
  const email = shop.fresh('known')
  const course = chance.pick(HEALTHY)
  const sale = await sellSettled(world, { email, course }, chance)
  if (sale === null) return
  // The stand-in deletes no enrollment, but that of another account doesn't count.
  const formerly = email
  const gone = email.replace('known', 'gone')
  record.placed.add(keyOf(gone, course))
  record.lost.add(keyOf(email, course))
  record.note(`the LMS loses the enrollment, which ${gone} has from now on`, email)
  await lms.people({ email: gone, username: gone.split('@')[0] ?? '', active: true, formerly })
  await lms.people({ email, username: email.split('@')[0] ?? '', active: true })
  const held = holdAnswer(world, (call) => call.path === SEARCH && names(call, email))
  const ended = command(['reconcile', '--fix'])
  if (await within(COMMAND_MS, held.hit)) {
    record.count('refunds during reconcile')
    await refundByShop(world, sale, chance)
  }
  held.release()
  await ended
}

/** Whether the service or an operator has taken the person out of every course. */
const isOut = ({ record }: World, email: string): boolean =>
  record.kept.findLast((one) => one.email === email)?.kind === 'unenrolled'

/** Sells to a person whom no other action uses, and waits until that is settled; null if it takes too long. */
export async function sellSettled(
  world: World,
  buyer: { email: string; course: string },
  chance: Chance,
): Promise<Sale | null> {
  const [sale] = world.shop.sellApart([buyer], chance.pick(world.replicas))
  assert.ok(sale !== undefined)
  const row = await rowOf(world, sale, ({ isOpen }) => !isOpen)
  return row === null || row.state === 'needs_attention' ? null : sale
}

/** The row of a sale as soon as it fits; null if it takes too long. */
export async function rowOf({ shop }: World, sale: Sale, fits: (row: Row) => boolean): Promise<Row | null> {
  let found: Row | null = null
  const look = async (): Promise<boolean> => {
    found = (await shop.rows()).get(sale.name) ?? null
    return found !== null && fits(found)
  }
  return (await within(SETTLED_MS, look, 100)) ? found : null
}

export const BY_OPERATORS = {
  stranger: [stranger, 3],
  refundAfterCorrection: [refundAfterCorrection, 3],
  refundDuringFollowUp: [refundDuringFollowUp, 3],
  replayDuringRefund: [replayDuringRefund, 2],
  reconcile: [reconcile, 0.5],
  refundDuringReconcile: [refundDuringReconcile, 2],
} as const satisfies { [name: string]: readonly [Action, number] }
