import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { DEMO } from '../harness.ts'
import { until } from '../service/process.ts'
import { decode, linksOf, operator, readable, startWithConsole } from './harness.ts'

const TYPO = 'course-v1:edX+DemoX+Demo_C0urse'
const FAR = 'course-v1:Nobody+Knows+Ever'
const PYTHON = 'course-v1:Lernito+PY101+2026'
const product = await startWithConsole({ catalogueMs: 200 })
after(() => product.stop())
const someone = await operator(product)
const sell = (email: string, courseIds = [TYPO]): Promise<string> => product.idOf(email, courseIds)
const { read, readUntil } = someone
/** The fields of the form that confirms. */
const fieldsOf = ({ text }: { text: string }): Record<string, string> =>
  Object.fromEntries(
    [...(text.split('id="confirm"')[1] ?? '').matchAll(/name="(\w+)" value="([^"]*)"/g)].map(
      ([, name = '', value = '']) => [name, decode(value)],
    ),
  )
/** The way from the overview to the preview, which the page offers once the service has read the courses of the LMS. */
const offered = (): Promise<string> =>
  until('the offer', async () => {
    const link = linksOf(await someone.see('/')).find((one) => one.includes('/correct?'))
    return link === undefined ? undefined : link
  })

test('a cause with a near key offers to correct all of its sales: a preview of the buyers, one confirmation, the result', async () => {
  await sell('alice@example.com')
  await sell('later@example.com')
  await sell('both@example.com', [TYPO, PYTHON])
  await sell('branch@example.com', [`${TYPO}+branch@draft`])
  const handled = await sell('refunded@example.com')
  await someone.send(`/deliveries/${handled}/handled`, { as: 'paid_back', note: 'refunded' })
  const path = await offered()
  const page = await someone.see(path)
  const text = readable(page)
  assert.match(text, /Correct 4 sales to Demonstration Course/)
  assert.match(text, /Sales 4 .*With an account 1 .*Without an account 3/)
  assert.match(text, /alice@example\.com account alice .* at once/)
  assert.match(text, /later@example\.com not registered yet .* on registration/)
  assert.ok(!text.includes('refunded@example.com'))
  assert.doesNotMatch(text, /The shop gets a result/, 'it gets none without LERNITO_EVENTS_URL')
  const sent = await someone.send('/correct', fieldsOf(page))
  assert.match(sent.location, /\/replays\/\w{26}$/)
  const done = await readUntil(sent.location, /4 of 4 buyers are on their way/)
  assert.match(done, / are on their way 1 enrolled , 3 waiting for buyers \./)
  const { enrollments, allowances } = await product.lms.state()
  const both = allowances.filter(({ email }) => email === 'both@example.com').map(({ course }) => course)
  assert.deepEqual(both.sort(), [DEMO, PYTHON].sort())
  assert.ok(enrollments.some(({ email, course, active }) => email === 'alice@example.com' && course === DEMO && active))
  const changes = await someone.see('/changes')
  assert.match(readable(changes), /Started a correction of sales .*bulk correction of 4/)
  assert.ok(linksOf(changes).includes(sent.location))
  assert.equal((await someone.send('/correct', fieldsOf(page))).location, sent.location, 'a second click')
  assert.match(await read(path), /No sale that failed for this key is left/)
})

test('selected sales alone are corrected, and several wrong keys one after the other', async () => {
  const [first, , far] = [
    await sell('s1@example.com'),
    await sell('s2@example.com'),
    await sell('s3@example.com', [FAR]),
  ]
  const fine = await sell('bob@example.com', [DEMO])
  assert.match(await read(`/correct?id=${fine}`), /None of these deliveries failed because of a wrong course key/)
  const both = await someone.see(`/correct?id=${first}&id=${far}`)
  assert.match(readable(both), /several wrong keys/)
  const [next = ''] = linksOf(both).filter((link) => link.includes('C0urse'))
  const page = await someone.see(next)
  assert.match(readable(page), /Correct one sale to/)
  const sent = await someone.send('/correct', fieldsOf(page))
  await readUntil(sent.location, /1 of 1 buyers are on their way/)
  assert.match(await read(`/deliveries?cause=course.missing&state=needs_attention`), /s3@example\.com.*s2@example\.com/)
})

test('without a near key an operator names the course, and one that the LMS does not have starts nothing', async () => {
  const query = `/correct?cause=course.missing&about=${encodeURIComponent(FAR)}`
  assert.match(await read(query), /Choose the course to enroll in below/)
  const missing = await someone.see(`${query}&enroll_in=${encodeURIComponent(`${FAR}x`)}`)
  assert.match(readable(missing), /The LMS has no course course-v1:Nobody\+Knows\+Everx/)
  assert.deepEqual(fieldsOf(missing), {}, 'nothing to confirm')
  const found = await someone.see(`${query}&enroll_in=${encodeURIComponent(PYTHON)}`)
  const fields = fieldsOf(found)
  assert.equal(fields.enroll_in, PYTHON)
  const refused = await someone.send('/correct', { ...fields, enroll_in: `${FAR}x` })
  assert.match(await read(refused.location), /The LMS has no course/)
  const early = await someone.send('/correct', { ...fields, until: `${Date.now() + 60_000}` })
  assert.match(early.location, /^\/lernito\/console\/correct\?/, 'a time to come')
})

test('selected deliveries are replayed or handled together, and a form without a selection means none of them', async () => {
  const [one, two] = [await sell('h1@example.com', [FAR]), await sell('h2@example.com', [FAR])]
  assert.match(await read(`/replay?selected=yes&id=${one}&id=${two}`), /Deliveries to replay: 2\./)
  assert.match(await read('/replay?selected=yes'), /There is nothing to replay/)
  const page = await someone.see(`/handled?selected=yes&id=${one}&id=${two}`)
  const fields = Object.fromEntries(
    [...page.text.matchAll(/name="(ids|seen_\w+)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  )
  assert.match(readable(await someone.send('/handled', { ...fields, note: 'kept' })), /Choose how the sale was handled/)
  const empty = await someone.send('/handled', { ...fields, as: 'paid_back', note: ' ' })
  assert.match(readable(empty), /Enter what was done/)
  await someone.send(`/deliveries/${two}/replay`)
  const done = readable(await someone.send('/handled', { ...fields, as: 'paid_back', note: 'refunded' }))
  assert.match(done, /Marked as handled: 1\..*somebody changed the delivery after you opened the page: 1\./)
  assert.match(await read(`/deliveries/${one}`), /refunded/)
  assert.match(await read('/handled'), /Nothing is selected/)
})

test('a bundle that was checked meanwhile is corrected too: nobody was taken out of a course that the wrong key kept back', async () => {
  const about = 'course-v1:Nobody+Knows+Bundle'
  const id = await sell('frank@example.com', [about, PYTHON])
  await someone.send(`/deliveries/${id}/check`)
  assert.match(await read(`/deliveries/${id}`), /PY101\+2026 not enrolled not enrolled checked/)
  const page = await someone.see(`/correct?${new URLSearchParams({ cause: 'course.missing', about, enroll_in: DEMO })}`)
  assert.match(readable(page), /frank@example\.com account frank .* at once/)
  const sent = await someone.send('/correct', fieldsOf(page))
  await readUntil(sent.location, /1 of 1 buyers are on their way/)
})

test('the figures of a correction say so if they count only the buyers that the page lists', async () => {
  const about = 'course-v1:Nobody+Lists+All'
  await Promise.all(Array.from({ length: 201 }, (_, index) => sell(`many-${index}@example.com`, [about])))
  const query = new URLSearchParams({ cause: 'course.missing', about, enroll_in: PYTHON })
  const text = await readUntil(`/correct?${query}`, /Correct 201 sales/)
  assert.match(text, /Sales 201 .*With an account 0 of the 200 listed below Without an account 200 of the 200 listed/)
  assert.match(text, /Showing 200 of 201/)
})

test('after a correction, the link to what still fails does not list what was corrected or handled', async () => {
  const about = 'course-v1:Nobody+Knows+Left'
  await sell('goes@example.com', [about])
  await someone.send(`/deliveries/${await sell('solved@example.com', [about])}/handled`, {
    as: 'paid_back',
    note: 'refunded',
  })
  const left = await sell('left@example.com', [about, DEMO])
  await product.lms.people({ email: 'left@example.com', username: 'left', active: true })
  const enrollment = { email: 'left@example.com', course: DEMO, mode: 'audit', active: false }
  await product.lms.seed({ enrollments: [enrollment] })
  await someone.send(`/deliveries/${left}/check`) // so a person has to decide about it
  const query = new URLSearchParams({ cause: 'course.missing', about, enroll_in: PYTHON })
  const sent = await someone.send('/correct', fieldsOf(await someone.see(`/correct?${query}`)))
  await readUntil(sent.location, /1 of 2 buyers are on their way/)
  const link = linksOf(await someone.see(sent.location)).find((one) => one.includes('about='))
  const list = await readUntil(link ?? '', /left@example\.com/)
  assert.doesNotMatch(list, /goes@example\.com|solved@example\.com/)
})

test('a correction that a colleague has made since the preview says that nothing is left, and not that it went well', async () => {
  const about = 'course-v1:Nobody+Knows+Twice'
  await sell('twice@example.com', [about])
  const preview = `/correct?${new URLSearchParams({ cause: 'course.missing', about, enroll_in: PYTHON })}`
  const [one, other] = [fieldsOf(await someone.see(preview)), fieldsOf(await someone.see(preview))]
  await readUntil((await someone.send('/correct', one)).location, /1 of 1 buyers are on their way/)
  const path = (await someone.send('/correct', other)).location
  assert.match(await readUntil(path, /Nothing was changed/), /No sale that failed for this key is left/)
  assert.doesNotMatch((await someone.see(path)).text, /class="note good"/)
})

test('while the LMS can’t be asked, the preview says of nobody when the course begins, and asks for no other one', async () => {
  const ASKED = 'course-v1:CodeTherapy+CS101011+2025_T1'
  const about = 'course-v1:Nobody+Knows+Outage'
  await sell('alice@example.com', [about])
  await product.lms.faults([{ status: 503 }])
  const text = await read(`/correct?${new URLSearchParams({ cause: 'course.missing', about, enroll_in: ASKED })}`)
  assert.match(
    text,
    /Enroll in Clean Code .* could not be looked up in the LMS.* alice@example\.com not known .* not known /,
  )
  assert.doesNotMatch(text, /on registration|Choose the course/)
})
