import assert from 'node:assert/strict'
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { signStandardWebhook } from '../../src/shop/signature/published.ts'
import { DEMO, exchange, type Product, payload, SECRET, startProduct } from '../harness.ts'
import { run } from '../service/process.ts'
import { EVENTS_SECRET } from '../shop/events/receiver.ts'
import { codeBlocks, codes, DOCUMENTS, readDocument, section } from './documents.ts'

const ALICE = 'alice@example.com'
const GUIDES = DOCUMENTS.filter((path) => path.startsWith('docs/how-to/'))
/** These look at a whole installation, or stand for any command: others test them. */
const LEFT_OUT = ['doctor', 'migrate', 'COMMAND']

let product: Product
before(async () => {
  product = await startProduct()
})
after(() => product.stop())

/** Runs a command with the service's settings, on the service's database or on another one. */
const command = (args: readonly string[], database = join(product.folder, 'lernito.db')) =>
  run({
    args,
    env: {
      LERNITO_WEBHOOK_SECRET: SECRET,
      LERNITO_LMS_URL: product.lmsUrl,
      LERNITO_LMS_CLIENT_ID: 'lernito-client',
      LERNITO_LMS_CLIENT_SECRET: 'lernito-client-secret',
      LERNITO_LMS_CALLS_PER_MINUTE: '0',
      LERNITO_DATABASE_URL: `sqlite:${database}`,
    },
  })

/** The commands with arguments that the guides tell to run, each once, with this service's values in them. */
function commands(id: string): string[] {
  const values = { 'https://lernito.example.com': product.url, ID: id, KEY: DEMO, 'COURSE-KEY': DEMO }
  const found = GUIDES.map((path) => readDocument(path).replaceAll(/^ {3}/gm, ''))
    .flatMap((text) => [...codes(text), ...codeBlocks(text, 'sh')])
    .flatMap((code) => code.replaceAll(/\\\n\s*/g, '').split('\n'))
    .flatMap(
      (line) =>
        /^(?:LERNITO_\w+='[^']*' )?(?:npx )?lernito-openedx ([a-z]+ [^|]*[^| ])(?: \|.*)?$/.exec(line)?.[1] ?? [],
    )
    .map((line) => Object.entries(values).reduce((text, [name, value]) => text.replace(` ${name}`, ` ${value}`), line))
  return [...new Set(found)].filter((line) => !LEFT_OUT.includes(line.split(' ')[0] ?? ''))
}

test('every command of the how-to guides runs beside the service', async () => {
  const { headers } = await product.sell({ email: 'ada@example.com' })
  const lines = commands(String(headers['x-lernito-delivery']))
  assert.deepEqual(
    new Set(lines.map((line) => line.split(' ')[0])),
    new Set(['deliveries', 'events', 'reconcile', 'send']),
  )
  assert.ok(lines.length >= 7)
  for (const line of lines) {
    const { code, stderr } = await command(line.split(' '))
    assert.equal(code, 0, `${line}: ${stderr}`)
  }
})

test('after a refund reconcile leaves the buyer unenrolled, and the same sale sent again enrolls again', async () => {
  const active = async (): Promise<boolean[]> =>
    (await product.lms.state()).enrollments.filter(({ email }) => email === ALICE).map((row) => row.active)
  await product.sell({ email: ALICE })
  await product.lms.seed({ enrollments: [{ email: ALICE, course: DEMO, mode: 'audit', active: false }] })
  const { stdout } = await command(['reconcile', '--since', '7d', '--fix'])
  assert.match(stdout, new RegExp(`unenrolled +${ALICE}`))
  assert.deepEqual(await active(), [false])
  assert.equal((await product.sell({ email: ALICE })).status, 200)
  assert.deepEqual(await active(), [true])
})

test('the guide’s backup of SQLite has the sales of the running service, on the second day, too', async () => {
  const { headers } = await product.sell({ email: 'backup@example.com' })
  const [block = ''] = codeBlocks(
    section(readDocument('docs/how-to/back-up-and-restore.md'), '## Back up SQLite'),
    'sh',
  )
  const steps = /rm -f (\S+) && [\s\S]+ sqlite3 (\S+) "(VACUUM INTO '\1')" && mv \1 (\S+)\)$/.exec(block)
  const [, made = '', file = '', statement = '', kept = ''] = steps ?? []
  assert.deepEqual([file, kept], ['lernito.db', 'lernito-backup.db'])
  const [copy, backup] = [join(product.folder, made), join(product.folder, kept)]
  for (let day = 0; day < 2; day++) {
    rmSync(copy, { force: true })
    const source = new DatabaseSync(join(product.folder, 'lernito.db'))
    source.exec(statement.replace(made, copy))
    source.close()
    renameSync(copy, backup)
  }
  const { stdout, stderr } = await command(['deliveries', 'list', 'backup@example.com'], backup)
  assert.ok(stdout.includes(String(headers['x-lernito-delivery'])), stderr)
})

test('what the guide asks before a move shows a sale, a refund and an event that wait', async (t) => {
  const env = { LERNITO_REFUNDS: 'on', LERNITO_EVENTS_URL: 'http://127.0.0.1:9/', LERNITO_EVENTS_SECRET: EVENTS_SECRET }
  const moving = await startProduct({ env })
  t.after(() => moving.stop())
  const [block = ''] = codeBlocks(
    section(readDocument('docs/how-to/run-several-replicas.md'), '## Move from SQLite'),
    'sh',
  )
  const [, pattern = ''] = /grep -E '([^']+)'/.exec(block) ?? []
  const database = join(moving.folder, 'lernito.db')
  const waiting = async (): Promise<string[]> =>
    (await command(['deliveries', 'list', '--all'], database)).stdout
      .split('\n')
      .filter((line) => new RegExp(pattern).test(line))
  await moving.sell({ email: ALICE })
  assert.deepEqual(await waiting(), [])
  await moving.lms.faults([{ status: 503 }])
  const body = payload({ email: ALICE })
  const headers = {
    'content-type': 'application/json',
    ...signStandardWebhook({ id: 'refund-1', body, secret: SECRET }),
  }
  const refund = await exchange({ url: `${moving.url}/api/lernito/refund/`, headers, body })
  assert.equal(refund.status, 202)
  const [line, ...more] = await waiting()
  assert.deepEqual([line?.includes(ALICE), more], [true, []])
  assert.match((await command(['events', 'list'], database)).stdout, /^waiting: 1,/m)
  await moving.sell({ email: 'frank@example.com' })
  assert.equal((await waiting()).length, 2)
})
