// Sends a shop's sales and refunds to lernito-openedx, and asks for their results.

import { createHash, createHmac, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const USAGE = `node sender.mjs sell   ORDER EMAIL NAME FAMILY COURSE...   sell courses to a buyer
node sender.mjs refund ORDER EMAIL NAME FAMILY COURSE...   take the buyer out of them
node sender.mjs resume                                     send what is in the queue
node sender.mjs status DELIVERY...                         print the state of sales

ORDER is the shop's number of the order. The same command again is a repeat, which
does no harm. A corrected sale is another one, so it needs another number. A refund
of other courses of the order is another refund.`

const service = (process.env.LERNITO_URL ?? 'http://127.0.0.1:8790').replace(/\/+$/, '')
const secret = process.env.LERNITO_WEBHOOK_SECRET ?? 'lernito-sandbox-secret'
const queue = process.env.LERNITO_QUEUE ?? 'lernito-queue'

const SALE_PATH = '/api/lernito/webhook/'
const REFUND_PATH = '/api/lernito/refund/'
const STATUS_PATH = '/api/lernito/status/'

/** Nobody knows whether a request with one of these answers was stored, unless it is accepted. */
const SEND_AGAIN = [0, 200, 202, 408, 429]
/** Seconds between the attempts, unless the answer has a Retry-After: about a day in all. */
const WAITS = [30, 120, 600, ...Array(23).fill(3600)]

// #region sign
function sign({ secret, id, timestamp, body }) {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : secret
  const hmac = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`)
  return `v1,${hmac.digest('base64')}`
}
// #endregion

/** Signs a request with the time of now, and sends it once. Without an answer, the status is 0. */
async function post(path, id, body) {
  const timestamp = Math.floor(Date.now() / 1000)
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': `${timestamp}`,
    'webhook-signature': sign({ secret, id, timestamp, body }),
  }
  const signal = AbortSignal.timeout(15_000)
  try {
    const answer = await fetch(service + path, { method: 'POST', headers, body, redirect: 'manual', signal })
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  } catch (error) {
    return { status: 0, headers: new Headers(), text: String(error.cause ?? error) }
  }
}

/** Sends a request of the queue until the service has it. false: a person has to look at it. */
async function deliver(file) {
  if (!existsSync(file)) return true // another process has delivered it
  const { id, path, body } = JSON.parse(readFileSync(file, 'utf8'))
  for (const wait of [...WAITS, null]) {
    const { status, headers, text } = await post(path, id, body)
    const delivery = headers.get('x-lernito-delivery') // store it with the order
    console.log(`${id}: ${status} ${text} delivery=${delivery}`)
    const success = successIn(text)
    if (isAccepted({ path, status, delivery, success })) {
      rmSync(file, { force: true })
      return true
    }
    if (wait === null || !isUnknown({ status, delivery, success })) break
    const retryAfter = headers.get('retry-after') ?? ''
    const seconds = /^\d+$/.test(retryAfter) ? Math.min(Number(retryAfter), 3600) : wait
    console.log(`${id} is sent again in ${seconds} seconds`)
    await delay(1000 * seconds)
  }
  console.error(`${id} stays in the queue: tell a person`)
  return false
}

/** What the service says. The page of a proxy says nothing. */
function successIn(text) {
  try {
    return JSON.parse(text)?.success
  } catch {
    return undefined
  }
}

/** After a 500 with a delivery, the sale is stored, and the service enrolls the buyer later. A refund needs a 200. */
function isAccepted({ path, status, delivery, success }) {
  const isOfService = delivery !== null || (success === true && status !== 500)
  return isOfService && (status === 200 || (path === SALE_PATH && (status === 202 || status === 500)))
}

/** Without a delivery, a 500 may be of a proxy, as a 403 without the service's JSON is. */
function isUnknown({ status, delivery, success }) {
  if (status === 403) return success !== false
  if (status === 500) return delivery === null
  return SEND_AGAIN.includes(status) || status > 500
}

/** Stores a request before it is sent, so that every repeat has the same id and the same bytes. */
function enqueue(path, id, payload) {
  if (!/^[\w-]{1,200}$/.test(id)) throw new Error('ORDER may have letters, digits, - and _')
  const file = join(queue, `${id}.json`)
  const job = JSON.stringify({ id, path, body: JSON.stringify(payload) })
  const queued = existsSync(file) ? readFileSync(file, 'utf8') : null
  if (queued === job) return file
  // A refund that stays in the queue with a wrong body was not accepted, so the corrected one takes its place.
  if (queued !== null && path === SALE_PATH)
    throw new Error(`${id} is in the queue with another body: use another number, and remove ${file} if it is wrong`)
  mkdirSync(queue, { recursive: true, mode: 0o700 })
  writeFileSync(`${file}.new`, job, { flush: true })
  renameSync(`${file}.new`, file)
  return file
}

/** The oldest first, so that a refund follows its sale. */
async function resume() {
  const names = existsSync(queue) ? readdirSync(queue).filter((name) => name.endsWith('.json')) : []
  const files = names.map((name) => join(queue, name))
  const aged = files
    .map((file) => ({ file, at: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => a.at - b.at)
  let isDone = true
  for (const { file } of aged) isDone = (await deliver(file)) && isDone
  return isDone
}

async function status(deliveries) {
  const answer = await post(STATUS_PATH, `status-${randomUUID()}`, JSON.stringify({ deliveries }))
  console.log(answer.text)
  return answer.status === 200
}

async function main([command, ...rest]) {
  if (command === 'resume' && rest.length === 0) return resume()
  if (command === 'status' && rest.length > 0) return status(rest)
  const [order, email, name, family, ...courseIds] = rest
  if ((command !== 'sell' && command !== 'refund') || courseIds.length === 0) throw new Error(USAGE)
  // With the number of the order, two orders of the same courses are two sales.
  const payload = { email, name, family, username: email.split('@')[0], courseIds, order }
  if (command === 'sell') return deliver(enqueue(SALE_PATH, `order-${order}`, payload))
  const part = createHash('sha256').update(courseIds.join(' ')).digest('hex').slice(0, 8)
  return deliver(enqueue(REFUND_PATH, `refund-${order}-${part}`, { ...payload, sale: `order-${order}` }))
}

try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
