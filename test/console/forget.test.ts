import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { DEMO } from '../harness.ts'
import { until } from '../service/process.ts'
import { operator, readable, startWithConsole } from './harness.ts'

const ALLOWANCES = '/api/enrollment/v1/enrollment_allowed/'
const product = await startWithConsole()
after(() => product.stop())
const someone = await operator(product)
const { idOf } = product
const forget = async (form: Record<string, string>) => someone.send('/people/forget', form)
const isStored = async (id: string): Promise<boolean> => (await someone.see(`/deliveries/${id}`)).status === 200
const allowancesOf = async (of: string) => (await product.lms.state()).allowances.filter(({ email }) => email === of)

test('it first shows what is erased and what stays, and erases nothing until the operator types the address', async () => {
  const email = 'ada@example.com'
  const id = await idOf(email)
  const asked = readable(await forget({ email }))
  assert.match(asked, /You can’t undo it\..*What is erased Sales of this address.*: 1\..*What stays/)
  assert.match(asked, /To confirm, type ada@example\.com/)
  for (const confirm of ['', 'bob@example.com', 'ada@example', 'yes']) {
    assert.match(readable(await forget({ email, confirm })), /Nothing changed\. The address that you typed is not ada@/)
  }
  assert.ok(await isStored(id))
})

test('it erases all deliveries from the tables and the files, and the audit says who did it but not whom', async () => {
  const email = 'countess@example.com'
  const ids = [await idOf(email), await idOf(email, ['course-v1:No+Such+Course'])]
  const other = await idOf('other@example.com')
  await someone.send(`/deliveries/${ids[0]}/handled`, { as: 'settled', note: 'by phone' })
  assert.match(await someone.read('/changes'), /Marked as settled in another way .* countess@example\.com .* by phone/)
  const done = readable(await forget({ email: email.toUpperCase(), confirm: ` ${email}` }))
  assert.match(done, /Erased Deliveries erased: 2\. See the changes/)
  for (const id of ids) assert.equal(await isStored(id), false)
  assert.ok(await isStored(other))
  for (const end of ['', '-wal'])
    assert.ok(!readFileSync(`${product.folder}/lernito.db${end}`).includes('countess'), end)
  const changes = await someone.read('/changes')
  assert.match(changes, /Erased a person by admin .* 2 deliveries/)
  assert.ok(!changes.includes('countess'))
  assert.equal((await allowancesOf(email)).length, 1, 'the LMS is left alone')
  assert.ok(product.log.some(({ event, actor }) => event === 'forgotten' && actor === 'admin'))
})

test('it says that it also erases a sale to another address that one of these corrects', async () => {
  const [typo, email] = ['corrcet@example.com', 'correct@example.com']
  const wrong = await idOf(typo)
  await someone.send(`/deliveries/${wrong}/correct`, { email, courses: '', step: 'correct' })
  const asked = readable(await forget({ email }))
  assert.match(asked, /Sales of this address.*: 1\..*Sales to another address that one of these corrects\./)
  assert.match(readable(await forget({ email, confirm: email })), /Deliveries erased: 2\./)
  assert.equal(await isStored(wrong), false)
})

test('it deletes the LMS’s unused allowances if asked, and says so if that fails', async () => {
  const email = 'leaves@example.com'
  await idOf(email)
  await product.lms.faults([{ path: ALLOWANCES, status: 400, body: {} }])
  const failed = readable(await forget({ email, confirm: email, allowances: 'yes' }))
  assert.match(
    failed,
    /Deliveries erased: 1\. The courses that wait for this address could not be canceled in the LMS: .+\. Repeat it when/,
  )
  await product.lms.noFaults()
  const done = await until('the allowance is deleted', async () => {
    const text = readable(await forget({ email, confirm: email, allowances: 'yes' }))
    return text.includes('could not') ? undefined : text
  })
  assert.match(done, /Deliveries erased: 0\. Courses canceled that waited for this address in the LMS: 1\./)
  assert.deepEqual(await allowancesOf(email), [])
})

test('a text that is no whole address leads back to the search for a person', async () => {
  for (const email of ['', 'ada', 'a b@c.example']) {
    const seen = await forget({ email, confirm: email })
    assert.deepEqual([seen.status, seen.location], [303, '/lernito/console/people'])
  }
})

test('while the person is still to be taken out of a course, it erases nothing, and says for which delivery', async (t) => {
  t.after(() => product.lms.noFaults())
  const email = 'stays@example.com'
  const id = await idOf(email)
  await product.lms.faults([{ status: 503 }])
  await someone.send(`/deliveries/${id}/withdraw`, { course: DEMO })
  const seen = await forget({ email, confirm: email })
  assert.match(seen.text, /<div class="note warning" role="alert"><h2>Not erased<\/h2>/)
  assert.match(readable(seen), new RegExp(id))
  assert.ok(await isStored(id))
})
