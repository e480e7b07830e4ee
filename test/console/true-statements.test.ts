import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { CHALLENGE_HEADER, challengeOf } from '../../src/shop/signature/identity.ts'
import { DEMO, exchange, SECRET } from '../harness.ts'
import { until } from '../service/process.ts'
import { linksOf, operator, readable, startWithConsole } from './harness.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const MISSING = 'course-v1:No+Such+Course'
const OVERRIDE = '\u202e'

const product = await startWithConsole()
after(() => product.stop())
const someone = await operator(product)
const idOf = (email: string, courseIds = [DEMO], name = 'Ann'): Promise<string> => product.idOf(email, courseIds, name)
const { read, readUntil } = someone
/** The number of the delivery's last event, as the forms of its page carry it. */
const seenOn = async (path: string): Promise<string> =>
  (await someone.see(path)).text.match(/name="last_event" value="(\d+)"/)?.[1] ?? ''

describe('a delivery says what is true', () => {
  test('after one of two courses was withdrawn, on its page, in the list and to the buyer', async () => {
    const id = await idOf('alice@example.com', [DEMO, PYTHON])
    await someone.send(`/deliveries/${id}/withdraw`, { course: DEMO, note: 'order 1182' })
    const page = await readUntil(`/deliveries/${id}`, /Enrolled In 1 of 2 courses\./)
    assert.match(page, /course-v1:edX\+DemoX\+Demo_Course was withdrawn by admin at .* UTC \./)
    assert.doesNotMatch(page, /every course|in all/i)
    assert.match(page, /by admin · from course-v1:edX\+DemoX\+Demo_Course: order 1182/)
    assert.match(page, /You are enrolled in course-v1:Lernito\+PY101\+2026\. Sign in/)
    const list = await read('/deliveries?q=alice@example.com')
    assert.match(list, /In 1 of 2 courses\. course-v1:edX\+DemoX\+Demo_Course was withdrawn by admin/)
    assert.doesNotMatch(list, /Unenrolled in the LMS/)
  })

  test('after the LMS took the course away, on its page and in the list of those', async () => {
    const email = 'carol@example.com'
    await product.lms.people({ email, username: 'carol', active: true })
    const id = await idOf(email)
    await product.lms.seed({ enrollments: [{ email, course: DEMO, mode: 'audit', active: false }] })
    await someone.send(`/deliveries/${id}/check`)
    const ended = /Access ended in \S+Demo_Course \(unenrolled in the LMS\), found .* UTC \./
    const page = await read(`/deliveries/${id}`)
    assert.match(page, ended)
    assert.match(page, /enrolls the buyer again only if you replay the delivery or the shop repeats the sale/)
    assert.match(page, /Access ended in the LMS/)
    assert.match(page, /Checked in the LMS by admin/)
    assert.doesNotMatch(await read('/changes'), /Checked in the LMS/, 'a look changes nothing')
    const list = await read('/deliveries?ended=only')
    assert.match(list, ended)
    assert.match(list, /In the LMS access ended ×/)
    const { text: file } = await someone.see('/deliveries.csv?ended=only')
    assert.match(
      file,
      /,"access_ended","handled_as","replaced_by",.*\r\n.*,"enrolled",.*"\d{4}-\d\d-\d\dT[\d:.]+Z","",/,
    )
    assert.doesNotMatch(list, /alice@example\.com/)
  })

  test('to a buyer who registered and did not activate: activate, and not register', async () => {
    const id = await idOf('nina@example.com')
    await product.lms.people({ email: 'nina@example.com', username: 'nina', active: false })
    await someone.send(`/deliveries/${id}/check`)
    const page = await read(`/deliveries/${id}`)
    assert.match(
      page,
      /Registered, not activated ?: the enrollment takes effect when the buyer activates the account\./,
    )
    const [, reply = ''] = page.match(/Reply to the buyer (Hello .*?) Courses/) ?? []
    assert.match(reply, /activat/)
    assert.doesNotMatch(reply, /create an account|already have an account/i)
  })
})

test('marking a delivery as handled says so if the buyer keeps a course or an allowance', async () => {
  const keeps = /This changes nothing in the LMS: the buyer keeps the course/
  const [waits, failed] = [await idOf('keeps@example.com'), await idOf('fails@example.com', [MISSING])]
  const refused = await idOf('retired@example.com') // the LMS was called, and gave nothing
  assert.match(await read(`/deliveries/${waits}`), keeps)
  assert.match(await read(`/handled?ids=${waits},${failed}`), keeps)
  for (const path of [failed, refused].flatMap((id) => [`/deliveries/${id}`, `/handled?ids=${id}`])) {
    assert.match(await read(path), /The service then stops attempting the sale/)
    assert.doesNotMatch(await read(path), keeps)
  }
})

test('the notice of a withdrawal or a correction that is done promises nothing more', async () => {
  const id = await idOf('noticed@example.com')
  await someone.send(`/deliveries/${id}/withdraw`, { course: DEMO })
  const done = await readUntil(`/deliveries/${id}?done=withdrawing`, /Ordered at/)
  assert.doesNotMatch(done, /The withdrawal is stored/)
  const other = await idOf('wrong@example.com')
  const form = { step: 'correct', email: 'right@example.com', courses: DEMO, withdraw: 'on' }
  const { location } = await someone.send(`/deliveries/${other}/correct`, form)
  assert.match(location, /done=corrected/)
  const path = location.replace(/^\/lernito\/console/, '').replace(/done=.*/, 'done=correctedWithdrawing')
  assert.match(await readUntil(path, /Made at/), /This is the corrected sale\. Made at [^.]*: waiting for the buyer\./)
})

describe('two people, one delivery', () => {
  const post = (id: string, action: string, form: Record<string, string>) =>
    someone.send(`/deliveries/${id}/${action}`, form)

  const see = async (id: string): Promise<string> => (await someone.see(`/deliveries/${id}`)).text
  const FORMS: Readonly<Record<'replay' | 'handled' | 'correct' | 'withdraw', Record<string, string>>> = {
    replay: {},
    handled: { as: 'settled', note: 'my own note' },
    correct: { step: 'correct', email: 'other@example.com', courses: DEMO },
    withdraw: { course: MISSING },
  }

  for (const action of ['replay', 'handled', 'correct', 'withdraw'] as const) {
    test(`${action} from a page that is older than a change is not carried out, and is offered again`, async () => {
      const id = await idOf(`${action}@example.com`, [MISSING])
      const old = await seenOn(`/deliveries/${id}`)
      assert.match(old, /^\d+$/)
      // A second "handled" by the same person is a second click, and no change.
      const [other, did] =
        action === 'handled' ? (['replay', /Replayed/] as const) : (['handled', /Marked as paid back/] as const)
      await post(id, other, { as: 'paid_back', note: 'refunded, order 1182' })
      const stateOf = async (): Promise<string> => (await see(id)).match(/class="state ([\w-]+)"/)?.[1] ?? ''
      const before = await until('settled', async () => ((await stateOf()) === 'queued' ? undefined : stateOf()))
      const answer = await post(id, action, { ...FORMS[action], last_event: old })
      assert.match(readable(answer), /Nothing changed\. admin changed this delivery/)
      assert.match(readable(answer), did)
      assert.equal(await stateOf(), before)
      const [, again = ''] = answer.text.match(/name="last_event" value="(\d+)"/) ?? []
      assert.ok(Number(again) > Number(old))
      assert.ok(answer.text.includes(`action="/lernito/console/deliveries/${id}/${action}"`))
      for (const [name, value] of Object.entries(FORMS[action]))
        assert.ok(answer.text.includes(`name="${name}" value="${value}"`), `${name} is kept`)
      const redone = await post(id, action, { ...FORMS[action], last_event: again })
      // The sale did nothing that could be withdrawn.
      if (action === 'withdraw')
        assert.match(readable(redone), /Nothing changed\. .*(nothing to withdraw|did not report)/)
      else assert.equal(redone.status, 303, redone.text)
    })
  }

  test('the box of a handled delivery has the note, and asks before a replay undoes it', async () => {
    const id = await idOf('handled@example.com', [MISSING])
    await post(id, 'handled', { as: 'paid_back', note: 'refunded, order 1183' })
    const { text } = await someone.see(`/deliveries/${id}`)
    const box = text.slice(text.indexOf('<div class="note'), text.indexOf('<h2>Courses'))
    assert.match(readable({ text: box }), /“ ?refunded, order 1183 ?”, paid back by admin at /)
    assert.doesNotMatch(box, /create the course/)
    const asks = box.slice(box.indexOf('<summary class="button second">Reopen…'), box.indexOf('Replay anyway'))
    assert.match(readable({ text: asks }), /Reopen.*undoes/)
    assert.doesNotMatch(box, /<form[^>]*\/replay">(?:(?!<\/form>).)*<button class="">/s)
  })
})

describe('"All quiet" only if everything works', () => {
  test('a rejected sale is a cause on the overview', async () => {
    assert.match(await read('/'), /All quiet|attention/)
    await product.sell({ email: 'no address' })
    const seen = await someone.see('/')
    assert.doesNotMatch(seen.text, /All quiet/)
    assert.match(readable(seen), /rejected.* Invalid fields/i)
    assert.ok(linksOf(seen).some((link) => link.includes('state=rejected') || link.includes('/deliveries/')))
  })
})

test('a check of doctor is no refused webhook, and a visit by a browser is one', async () => {
  const visit = async (headers: Record<string, string>): Promise<void> => {
    assert.equal((await exchange({ url: product.webhook, method: 'GET', headers })).status, 405)
  }
  await visit({ [CHALLENGE_HEADER]: challengeOf({ secret: SECRET, nonce: 'ab'.repeat(16) }) })
  assert.match(await read('/refused'), /No webhook was refused/)
  await visit({})
  await readUntil('/refused', /Not sent as POST/)
})

test('sales by course count each course of a sale, and add up', async () => {
  await idOf('heidi@example.com', [DEMO, PYTHON])
  await idOf('frank@example.com', [PYTHON])
  const id = await idOf('grace@example.com', [DEMO])
  await someone.send(`/deliveries/${id}/correct`, { step: 'correct', email: 'grace2@example.com', courses: DEMO })
  const { text: file } = await someone.see('/deliveries.csv?q=grace')
  const [, by = ''] = /^\W*"(\w{26})",[^\n]*"grace2@example\.com"/m.exec(file) ?? []
  assert.match(file, new RegExp(`^"${id}","handled".*,"","${by}",`, 'm'), 'the file names what replaces a delivery')
  await someone.send('/test-sale', { step: 'sell', email: 'tester@example.com', courses: PYTHON, nonce: 'a-nonce' })
  const { text } = await someone.see('/')
  const table = text.slice(text.indexOf('Sales by course'))
  const rows = table.match(/<tr role="row"[^>]*><th role="rowheader" scope="row">.*?<\/tr>/g) ?? []
  const numbers = rows.map((row) =>
    [...row.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(([, cell = '']) => Number(cell.replace(/<[^>]*>/g, ''))),
  )
  const sumOf = (some: readonly number[]): number => some.reduce((a, b) => a + b, 0)
  assert.ok(rows.length >= 4, 'both courses, those without a key, and the total')
  for (const [sum, ...states] of numbers) assert.equal(sumOf(states), sum)
  const [total = [], ...others] = numbers.toReversed()
  for (const [column, of] of total.entries()) assert.equal(sumOf(others.map((row) => row[column] ?? 0)), of)
})

describe('what a sender wrote can’t disguise a page', () => {
  test('control characters and overrides are shown as escapes, and names are isolated', async () => {
    const id = await idOf('erin@example.com', [DEMO], `Erin${OVERRIDE}txt.exe\u0007`)
    for (const path of [`/deliveries/${id}`, '/deliveries?q=erin', `/people/${id}`]) {
      const { text } = await someone.see(path)
      assert.ok(!text.includes(OVERRIDE), path)
      assert.ok(!text.includes('\u0007'), path)
      assert.match(text, /<bdi>[^<]*Erin\\u202etxt\.exe\\u0007/, path)
    }
    assert.ok((await someone.see('/deliveries.csv?q=erin')).text.includes('erin@example.com'))
  })
})

test('a sale that is being attempted is not said to have its next attempt at a time that has passed', async (t) => {
  t.after(() => product.lms.noFaults())
  await product.lms.faults([{ path: '/api/bulk_enroll/v1/bulk_enroll', method: 'POST', delayMs: 3000 }])
  const sold = idOf('slow@example.com')
  const row = await until('the sale', async () =>
    /id="row-(\w{26})"/.exec((await someone.see('/deliveries?q=slow@example.com')).text)?.at(1),
  )
  const page = await read(`/deliveries/${row}`)
  assert.match(page, /Queued Not enrolled yet\. The service is attempting the delivery/)
  assert.doesNotMatch(page, /Next attempt/)
  assert.equal(await sold, row)
})
