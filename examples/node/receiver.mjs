// Receives the events of lernito-openedx, and keeps the newest of each delivery.
//
// Run it, and give the service its address and the secret in LERNITO_EVENTS_URL and LERNITO_EVENTS_SECRET. The sandbox
// has an option: --events http://127.0.0.1:8792/

import { createHmac, timingSafeEqual } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'

const secret = process.env.LERNITO_EVENTS_SECRET ?? 'whsec_bGVybml0by1zYW5kYm94LWV2ZW50cy1zZWNyZXQ='
/** While the operator changes the secret: both, with a space between them. */
const secrets = secret.match(/\S+/g) ?? []
const keys = secrets.map((one) => Buffer.from(one.replace(/^whsec_/, ''), 'base64'))
/** Who sets no more than whsec_ would accept what anybody has signed. */
const KEY_MIN = 24
const port = Number(process.env.PORT ?? 8792)
const states = process.env.LERNITO_STATES ?? 'lernito-states'

const BODY_MAX = 1024 * 1024

/** Whether the service signed these bytes within the last five minutes. */
function isValid(headers, body) {
  const { 'webhook-id': id = '', 'webhook-timestamp': timestamp = '', 'webhook-signature': signatures = '' } = headers
  if (!/^\d+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false
  const given = signatures.split(' ').map((one) => Buffer.from(one))
  return keys.some((key) => {
    const hmac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body)
    const expected = Buffer.from(`v1,${hmac.digest('base64')}`)
    return given.some((one) => one.length === expected.length && timingSafeEqual(one, expected))
  })
}

/** Keeps an event. false: the shop has it, or a later one of the same delivery. */
function store(event) {
  const file = join(states, `${event.data.id}.json`)
  if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).sequence >= event.sequence) return false
  writeFileSync(`${file}.new`, JSON.stringify(event), { flush: true })
  renameSync(`${file}.new`, file)
  return true
}

/** What takes longer: update the order, mail the buyer. Do it from what is stored, to survive a crash. */
function handle({ type, data }) {
  console.log(type, data.id, data.state)
}

async function bodyOf(request) {
  const chunks = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += chunk.length
    if (bytes > BODY_MAX) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function receive(request, response) {
  const body = await bodyOf(request)
  if (body === null) return response.writeHead(413).end()
  if (request.method !== 'POST' || !isValid(request.headers, body)) return response.writeHead(401).end()
  const event = JSON.parse(body)
  // Other types are about courses and learners, and later versions may add some.
  const isNews = event.type.startsWith('delivery.') && store(event)
  response.writeHead(204).end(() => isNews && handle(event))
}

if (keys.some(({ length }) => length < KEY_MIN))
  throw new Error(`LERNITO_EVENTS_SECRET must be whsec_ and at least ${KEY_MIN} bytes in base64`)
mkdirSync(states, { recursive: true, mode: 0o700 })
const server = createServer((request, response) => {
  receive(request, response).catch((error) => {
    console.error(error)
    response.destroy()
  })
})
server.listen(port, '127.0.0.1')
