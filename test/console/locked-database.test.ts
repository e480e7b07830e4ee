import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { lockDatabase } from '../harness.ts'
import { operator, readable, signIn, startWithConsole } from './harness.ts'
import { createVisitor } from './visitor.ts'

const product = await startWithConsole()
after(() => product.stop())
const someone = await operator(product)

test('while another program locks the database, the overview says that webhooks are refused, and the sign-in why it fails, and the log says it once', async () => {
  const other = await lockDatabase(product)
  assert.equal((await product.sell({ email: 'refused@example.com' })).status, 503)
  const overview = await someone.read('/')
  assert.match(overview, /nothing can be stored The database .*lernito\.db can't be used: database is locked\..* 503/)
  assert.doesNotMatch(overview, /All quiet/)
  const back = await signIn(createVisitor(), product)
  assert.equal(back.status, 503)
  assert.match(readable(back), /The database is unavailable/)
  assert.ok(product.log.every(({ msg }) => msg !== 'unexpected error in the console'))
  other.exec('rollback')
  other.close()
  await someone.readUntil('/', /^(?!.*nothing can be stored)/)
})
