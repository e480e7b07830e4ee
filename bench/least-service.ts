import { createHash } from 'node:crypto'
import { parseArgs } from 'node:util'
import { fastify } from 'fastify'
import { Pool } from 'undici'
import { createGroupCommit } from '../src/inbox/group-commit.ts'
import { sign } from '../src/signature/signature.ts'
import { openLeastStore } from './least-store.ts'
import type { LeastRow } from './least-tasks.ts'
import { authorize, BULK_ENROLL, SEARCH } from './lms-client.ts'
import { SECRET } from './processes.ts'
import type { Sale } from './sales.ts'

/**
 * The least that a service without losses does for a webhook, to measure what this machine allows: a Fastify route checks
 * the signature and stores the body with its digest, by the same group commit and the same thread. With `--lms` it then
 * enrolls the buyer, one webhook a call: it searches the account, stores that an attempt begins, enrolls, and stores the
 * result. It has no index for operators, no events, no queue and no limits.
 */
const { values } = parseArgs({ options: { lms: { type: 'string' } } })
const { store: write } = await openLeastStore({ file: 'least.db' })
const store = createGroupCommit<LeastRow, boolean>({ write, max: 200, isHopeless: () => true })

const lms = values.lms === undefined ? null : { pool: new Pool(values.lms), token: await authorize(values.lms) }

async function call(path: string, body: object): Promise<void> {
  if (lms === null) return
  const headers = { authorization: lms.token, 'content-type': 'application/json' }
  const answer = await lms.pool.request({ method: 'POST', path, headers, body: JSON.stringify(body) })
  await answer.body.text()
  if (answer.statusCode !== 200) throw new Error(`${path} answered ${answer.statusCode}`)
}

const app = fastify()
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
app.post<{ Body: Buffer }>('/*', async ({ body, headers }, reply) => {
  const text = body.toString()
  const signature = sign({ body: text, form: 'original', secret: SECRET })
  if (headers['x-lernito-signature'] !== signature) return reply.code(401).send({ success: false })
  const digest = createHash('sha256').update(body).digest('hex')
  const { email, courseIds }: Sale = JSON.parse(text)
  await store({ digest, body })
  if (lms === null) return reply.code(202).send({ success: true, message: 'stored' })
  await call(SEARCH, { emails: [email] })
  await store({ digest, body: null })
  const enrollment = { identifiers: email, courses: courseIds[0], auto_enroll: true, email_students: false }
  await call(BULK_ENROLL, { action: 'enroll', ...enrollment })
  await store({ digest, body: null })
  return reply.code(200).send({ success: true, message: 'enrolled' })
})
const url = await app.listen({ host: '127.0.0.1', port: 0 })
process.stdout.write(`The least service is at ${url} \n`)
