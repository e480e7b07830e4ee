import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { DEMO } from '../harness.ts'
import { operator, readable, startWithConsole } from './harness.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const product = await startWithConsole()
after(() => product.stop())
const someone = await operator(product)
const { idOf: sell } = product

/** The fields of a page that are marked as wrong, if the mark leads to the text that says why. */
function invalidIn({ text }: { text: string }): string[] {
  assert.equal(text.match(/role="alert" id="problem"/g)?.length, 1, 'the text that says why')
  return [...text.matchAll(/<(?:input|textarea|select)[^>]* name="(\w+)"[^>]* aria-invalid="true"([^>]*)>/g)].map(
    ([, name = '', more = '']) => {
      assert.match(more, /aria-describedby="problem"/)
      return name
    },
  )
}

const sold = await sell('leaves@example.com')
const failed = await sell('fails@example.com', ['course-v1:No+Such+Course'])

/** Each form with something wrong, and the names of the fields that it is in. */
const WRONG: readonly { path: string; form: Record<string, string>; fields: readonly string[] }[] = [
  { path: '/test-sale', form: { email: 'nobody', courses: DEMO, nonce: 'a' }, fields: ['email'] },
  { path: '/test-sale', form: { email: 'alice@example.com', nonce: 'b' }, fields: ['courses'] },
  { path: `/deliveries/${sold}/correct`, form: { email: 'nobody', courses: DEMO }, fields: ['email'] },
  { path: `/deliveries/${sold}/correct`, form: { email: '', courses: 'x'.repeat(300) }, fields: ['courses'] },
  { path: `/deliveries/${sold}/withdraw`, form: { note: '' }, fields: ['course'] },
  { path: '/people', form: { email: 'nobody' }, fields: ['email'] },
  { path: '/people/forget', form: { email: 'leaves@example.com', confirm: 'leave' }, fields: ['confirm'] },
  { path: '/handled', form: { ids: failed, as: 'settled', note: ' ' }, fields: ['note'] },
  { path: '/handled', form: { ids: failed, note: 'x' }, fields: ['as', 'as'] },
]

test('a form marks the fields that are wrong, and leads from each to the text that says why', async () => {
  for (const { path, form, fields } of WRONG) {
    assert.deepEqual(invalidIn(await someone.send(path, form)), fields, `${path} ${JSON.stringify(form)}`)
  }
  const query = new URLSearchParams({
    cause: 'course.missing',
    about: 'course-v1:No+Such+Course',
    enroll_in: 'course-v1:No+Such+One',
  })
  assert.deepEqual(invalidIn(await someone.see(`/correct?${query}`)), ['enroll_in'])
})

test('the form that corrects a rejected sale has what the shop sent, so that a typing error can be changed', async () => {
  const id = await sell('ada at example.com', [PYTHON, DEMO])
  const { text } = await someone.see(`/deliveries/${id}/correct`)
  assert.match(text, /name="email" value="ada at example.com"/)
  assert.ok(text.includes(`>\n${PYTHON}\n${DEMO}</textarea>`))
  const same = await someone.send(`/deliveries/${id}/correct`, {
    email: 'ada at example.com',
    courses: `${PYTHON}\r\n${DEMO}`,
  })
  assert.match(readable(same), /email: Enter a valid email address/)
  const right = await someone.send(`/deliveries/${id}/correct`, {
    email: 'ada@example.com',
    courses: `${PYTHON}\r\n${DEMO}`,
    step: 'correct',
  })
  assert.match(right.location, /\/deliveries\/\w{26}\?done=corrected$/)
})

test('the preview of a replay offers to include enrolled deliveries where the search can find some', async () => {
  const offers = async (query: string): Promise<boolean> =>
    /Include deliveries that are enrolled/.test(await someone.read(`/replay${query}`))
  assert.deepEqual(await Promise.all(['', '?q=ada', '?state=enrolled', '?state=pre_enrolled'].map(offers)), [
    true,
    true,
    true,
    true,
  ])
  assert.deepEqual(await Promise.all(['?state=needs_attention', '?state=queued', '?state=handled'].map(offers)), [
    false,
    false,
    false,
  ])
})

test('the preview of a replay says that it takes back what a person has ended, where the search is for that', async () => {
  const read = (state: string) => someone.read(`/replay?state=${state}`)
  const keepsOut = /nobody in a course from which they were withdrawn/
  const withdrawn = await read('withdrawn')
  assert.match(withdrawn, /These buyers were taken out of the courses\. A replay undoes that, and enrolls them again\./)
  assert.doesNotMatch(withdrawn, keepsOut)
  const handled = await read('handled')
  assert.match(
    handled,
    /An operator has taken care of these deliveries\. A replay undoes that, and enrolls the buyers\./,
  )
  for (const text of [handled, await read('needs_attention')]) assert.match(text, keepsOut)
  assert.doesNotMatch(await read('needs_attention'), /A replay undoes that/)
})

test('while the LMS can’t be asked, the preview of a correction doesn’t say that an enrollment is paid', async (t) => {
  t.after(() => product.lms.noFaults())
  await product.lms.faults([{ status: 503 }])
  const text = readable(await someone.send(`/deliveries/${sold}/correct`, { email: 'other@example.com', courses: '' }))
  assert.match(text, /Also take away paid course modes A learner who loses a paid course mode/)
  assert.doesNotMatch(text, /At least one enrollment is in a paid course mode/)
})

test('a withdrawal that lacks a course keeps the choice to take away paid modes', async (t) => {
  t.after(() => product.lms.noFaults())
  await product.lms.faults([{ status: 503 }])
  const text = (await someone.send(`/deliveries/${sold}/withdraw`, { paid: 'yes', note: 'order 7' })).text
  assert.match(text, /Select at least one course/)
  assert.match(text, /id="paid" name="paid" value="yes" checked/)
})
