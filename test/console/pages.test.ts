import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { DEMO, exchange } from '../harness.ts'
import { until } from '../service/process.ts'
import { linksOf, operator, readable, startWithConsole } from './harness.ts'

const product = await startWithConsole()
after(() => product.stop())
const someone = await operator(product)
const { idOf } = product
const { read, readUntil } = someone
const TODAY = new Date().toISOString().slice(0, 10)
const MISSING = 'course-v1:No+Such+Course'
const FULL = 'course-v1:Lernito+Full+2026'

describe('the overview', () => {
  test('shows that no sale has arrived yet, where the shop must send its webhooks, and the way to set it up', async () => {
    const seen = await someone.see('/')
    const text = readable(seen)
    assert.match(text, /Ready for the first sale/)
    assert.ok(text.includes(`${product.url}/api/lernito/webhook/`))
    assert.match(seen.text, /class="button" href="\/lernito\/console\/setup"/)
    assert.match(text, /Enrolled 0 Waiting for buyers 0 /)
  })

  test('shows that everything works, the counts, and the time to enrollment', async () => {
    assert.equal((await product.sell({ email: 'alice@example.com' })).status, 200)
    // Each of the two is a count of its own, and shows the one before if the machine is slow.
    const text = await readUntil('/', /All quiet.* Sales 1 1 today Enrolled 1 /s)
    assert.match(text, /Enrolled 1 95% within /)
    assert.match(text, /Now LMS available, 0 queued/)
  })

  test('shows that a delivery needs attention, and links to it', async () => {
    await product.sell({ email: 'lost@example.com', courseIds: [MISSING] })
    await readUntil('/', /Need attention 1 1 cause/)
    const seen = await someone.see('/')
    assert.match(seen.text, /One delivery needs attention/)
    assert.ok(linksOf(seen).includes('/lernito/console/deliveries?state=needs_attention'))
  })

  test('the figures of a past period say nothing about today', async () => {
    const text = await read('/?from=2026-01-01&to=2026-01-31')
    assert.match(text, /Enrolled 0 Waiting for buyers 0 paid, not registered yet Need attention 0 none in this period/)
  })
})

describe('the list', () => {
  const found = async (query: string): Promise<string[]> =>
    [...(await someone.see(`/deliveries?${query}`)).text.matchAll(/<small>([^<]*)</g)].map(([, name = '']) => name)

  test('shows the newest activity first', async () => {
    assert.deepEqual(await found(''), ['lost@example.com', 'alice@example.com'])
  })

  const searches: Record<string, string[]> = {
    'q=alice@example.com': ['alice@example.com'],
    'q=LOST@': ['lost@example.com'],
    'q=newcomer': ['lost@example.com', 'alice@example.com'],
    [`q=${encodeURIComponent(DEMO)}`]: ['alice@example.com'],
    'q=nobody@': [],
    'state=needs_attention': ['lost@example.com'],
    'state=enrolled&q=alice': ['alice@example.com'],
    'from=2020-01-01&to=2020-01-02': [],
    [`from=${TODAY}&to=${TODAY}`]: ['lost@example.com', 'alice@example.com'],
    'from=2020-01-01': ['lost@example.com', 'alice@example.com'],
    'state=nonsense&from=never&to=2020-13-99': ['lost@example.com', 'alice@example.com'],
  }
  test('an update by itself has no form of the filters, and what the form asks for has it', async () => {
    const asked = async (source: string): Promise<string> =>
      (await someone.get(`${product.console}/deliveries`, { 'hx-request': 'true', 'hx-source': source })).text
    const [update, filtered] = [await asked('div'), await asked('form#filters')]
    assert.match(update, /<div id="results">.*alice@example\.com/s)
    assert.doesNotMatch(update, /id="filters"/)
    assert.match(filtered, /id="filters".*id="filter-periods".*<div id="results">/s)
  })

  for (const [query, names] of Object.entries(searches)) {
    test(`?${query} finds ${names.length}`, async () => assert.deepEqual(await found(query), names))
  }

  test('has pages, each with a link to the next, and none is left out', async () => {
    const emails = Array.from({ length: 60 }, (_, index) => `many-${index}@example.com`)
    await Promise.all(emails.map((email) => product.sell({ email })))
    const seen = new Set<string>()
    for (let query = 'q=many-'; ; ) {
      for (const name of await found(query)) seen.add(name)
      const links = linksOf(await someone.see(`/deliveries?${query}`))
      const next = links.find((link) => link.includes('after='))?.split('?')[1]
      if (next === undefined) break
      query = next
    }
    assert.deepEqual([...seen].sort(), emails.sort())
  })

  test('a damaged address of a page leads to the first page, as in the other lists', async () => {
    const [first, seen] = [await someone.see('/deliveries'), await someone.see('/deliveries?after=x')]
    const rows = ({ text }: typeof seen) => [...text.matchAll(/id="row-(\w+)"/g)].map(([, id]) => id)
    assert.equal(seen.status, 200)
    assert.ok(rows(first).length > 0)
    assert.deepEqual(rows(seen), rows(first))
  })
})

describe('a cause', () => {
  test('groups its deliveries, names the course that exists, and leads to their list and their replay', async (t) => {
    const other = await startWithConsole({ catalogueMs: 200 })
    t.after(() => other.stop())
    const staff = await operator(other)
    const typo = 'course-v1:edX+DemoX+Demo_Curse'
    for (const name of ['typo-1', 'typo-2']) await other.sell({ email: `${name}@example.com`, courseIds: [typo] })
    await other.sell({ email: 'lost@example.com', courseIds: [MISSING] })
    const text = await staff.readUntil('/', /Looks like/)
    assert.match(text, /Looks like Demonstration Course , course-v1:edX\+DemoX\+Demo_C o urse/)
    assert.match(text, /2 No such course: course-v1:edX\+DemoX\+Demo_Curse .*Looks like .* Replay 2…/)
    const query = `state=needs_attention&cause=course.missing&about=${encodeURIComponent(typo)}`
    const links = linksOf(await staff.see('/'))
    assert.ok(links.includes(`/lernito/console/deliveries?${query}`), links.join('\n'))
    assert.ok(links.includes(`/lernito/console/replay?${query}`))
    const list = await staff.read(`/deliveries?${query}`)
    for (const name of ['typo-1', 'typo-2']) assert.ok(list.includes(`${name}@example.com`))
    assert.ok(!list.includes('lost@example.com'), 'another missing course')
    assert.match(
      await staff.read(`/replay?${query}`),
      /State Needs attention Cause No such course Course course-v1:edX/,
    )
  })

  test('are acknowledged and resolved by an operator, who is named with the time, and came back with the next failure', async () => {
    const course = 'course-v1:Nobody+Has+This'
    await product.sell({ email: 'marked-1@example.com', courseIds: [course] })
    const mark = async (kind: string) => someone.send('/causes', { kind, code: 'course.missing', course })
    const row = async (): Promise<string> =>
      (await read('/')).split(`No such course: ${course}`)[1]?.slice(0, 400) ?? ''
    assert.match(await row(), /^ .*? Acknowledge Correct… Replay 1… /)
    assert.equal((await mark('cause_acknowledged')).status, 303)
    assert.match(await row(), /^ .*? Acknowledged by admin, [^.]+ UTC \. Mark as resolved Correct… Replay 1… /)
    await mark('cause_resolved')
    assert.match(await row(), /^ .*? Resolved by admin, [^.]+ UTC \. Correct… Replay 1… /)
    await product.sell({ email: 'marked-2@example.com', courseIds: [course] })
    assert.match(await row(), /^ .*? Came back\. Resolved by admin, [^.]+ UTC \. Acknowledge Correct… Replay 2… /)
    assert.match(
      await read('/changes'),
      /Resolved a cause by admin .*No such course: course-v1:Nobody\+Has\+This .*Acknowledged a cause/,
    )
    assert.equal((await mark('nothing')).status, 303)
  })
})

describe('a delivery', () => {
  test('whose key the shop URL-encoded says so, names the course that was meant, and offers to correct it to that', async (t) => {
    const other = await startWithConsole({ catalogueMs: 200 })
    t.after(() => other.stop())
    const staff = await operator(other)
    const sold = await other.sell({ email: 'encoded@example.com', courseIds: [DEMO.replaceAll('+', '%2B')] })
    assert.equal(JSON.parse(sold.text).message, 'Invalid course key format: course-v1:edX%2BDemoX%2BDemo_Course')
    const path = `/deliveries/${sold.headers['x-lernito-delivery']}`
    const text = await until('the course that exists', async () => {
      const page = await staff.read(path)
      return page.includes('Looks like') ? page : undefined
    })
    assert.match(
      text,
      /If its plus signs came as %2B or as spaces, the shop URL-encoded the key, or decoded it twice\./,
    )
    assert.match(text, /Looks like course-v1:edX .* Demonstration Course/)
    assert.match(text, /Correct to Demonstration Course…/)
  })

  test('that is enrolled shows the result of each course, and links to the person in the LMS', async () => {
    const id = await idOf('erin@example.com', [DEMO, 'course-v1:Lernito+PY101+2026'])
    const text = await read(`/deliveries/${id}`)
    assert.match(text, /Enrolled In both courses\./)
    assert.match(text, new RegExp(`${DEMO.replaceAll('+', '\\+')} enrolled not checked yet`))
    assert.match(text, /Enrolled · course-v1:.* 200 · [\d,]+ ms Call POST .*bulk_enroll Answer 200 after [\d,]+ ms/)
    const links = linksOf(await someone.see(`/deliveries/${id}`))
    assert.ok(links.includes(`${product.lmsUrl}/support/enrollment?user=erin%40example.com`))
  })

  test('has one timeline, the latest first, by days, whose entries unfold the calls, the answers, the sender and the payload', async () => {
    const id = await idOf('timeline@example.com')
    const path = `/deliveries/${id}`
    await readUntil(path, /Received · answered in/)
    const { text } = await someone.see(path)
    const timeline = readable({ text: text.slice(text.indexOf('<h2>What happened'), text.indexOf('<aside')) }).trim()
    assert.match(
      timeline,
      /^What happened Today, \w{3} \d+ \w{3} [\d:]{8} Waits for the buyer .* [\d:]{8} Received · answered/,
    )
    assert.doesNotMatch(timeline, /20\d\d/, 'no date in an entry')
    assert.match(timeline, /Call POST \/api\/bulk_enroll\/v1\/bulk_enroll Answer 200 after [\d,]+ ms/)
    const [, received = ''] = timeline.split(' Received ')
    assert.match(
      received,
      /^· answered in [\d,]+ ms From 127\.0\.0\.1 Signature signed \(original form\) Our answer 200 after [\d,]+ ms .*"email": "timeline@/,
    )
    assert.match(readable({ text: text.slice(text.indexOf('<aside')) }), /Sender 127\.0\.0\.1/)
    assert.doesNotMatch(readable({ text }), /Attempts|Answers to the shop/)
  })

  test('of a buyer without an account shows that activating an account enrolls the buyer', async () => {
    const id = await idOf('newcomer@example.com')
    assert.match(await read(`/deliveries/${id}`), /Courses .*Demo_Course waiting for buyer not checked yet/)
  })

  test('of a course key in another letter case names the course once, with its true key', async () => {
    const id = await idOf('frank@example.com', [DEMO.toLowerCase()])
    const text = await read(`/deliveries/${id}`)
    assert.match(text, /In the LMS course-v1:edX\+DemoX\+Demo_Course enrolled not checked yet What happened/)
  })

  test('that needs attention shows the reason and what to do; a replay then enrolls, and the page names who did it', async (t) => {
    const bulk = await startWithConsole({ lms: { bulk: false, modify: false } })
    t.after(() => bulk.stop())
    const staff = await operator(bulk)
    const id = await bulk.idOf('grace@example.com', [DEMO, FULL])
    const before = (await staff.see(`/deliveries/${id}`)).text
    assert.match(
      before,
      /The LMS refused the enrollment in .*Full.*\.<[\s\S]*<p>“<bdi>An error occurred .*<\/bdi>”<\/p>/,
    )
    assert.match(before, /The course is probably full or has no free mode/)
    const calls = readable({ text: before })
    assert.match(calls, / [\d,]+ ms Calls several, for one person and one course, [\d,]+ ms together/)
    assert.doesNotMatch(calls, /\d calls/, 'nobody counted them')
    const causes = await staff.read('/')
    assert.ok(causes.includes(`Refused by the LMS: ${FULL} `), causes)
    await bulk.lms.seed({ enrollments: [{ email: 'heidi@example.com', course: FULL, mode: 'audit', active: false }] })
    const sent = await staff.send(`/deliveries/${id}/replay`)
    assert.deepEqual([sent.status, sent.location], [303, `/lernito/console/deliveries/${id}?done=replayed`])
    const after = await until('the success', async () => {
      const { text } = await staff.see(`/deliveries/${id}`)
      return /In (the course|both courses)\./.test(text) ? text : undefined
    })
    assert.match(after, /Replayed[\s\S]*by admin/)
    const { enrollments } = await bulk.lms.state()
    assert.ok(
      enrollments.some(({ email, course, active }) => email === 'grace@example.com' && course === FULL && active),
    )
    assert.match((await staff.see('/changes')).text, /Replayed<\/strong> <span class="quiet">by admin/)
  })

  test('can be marked as handled with a note, once', async () => {
    const id = await idOf('refunded@example.com', [MISSING])
    const choose = await someone.send(`/deliveries/${id}/handled`, { note: 'given back' })
    assert.match(readable(choose), /Nothing changed\. Choose how the sale was handled\./)
    assert.match(choose.text, />given back<\/textarea>/)
    const empty = await someone.send(`/deliveries/${id}/handled`, { as: 'paid_back', note: '  ' })
    assert.match(readable(empty), /Nothing changed\. Enter what was done\./)
    const marked = await someone.send(`/deliveries/${id}/handled`, { as: 'paid_back', note: 'refunded by hand' })
    assert.ok(marked.location.endsWith('?done=handled'))
    const text = await read(`/deliveries/${id}?done=handled`)
    assert.match(text, /Marked as handled\. The service no longer attempts it\./)
    assert.match(text, /refunded by hand/)
    const again = await someone.send(`/deliveries/${id}/handled`, { as: 'paid_back', note: 'again' })
    assert.ok(again.location.endsWith('?done=already'))
    const other = await someone.send(`/deliveries/${id}/handled`, { as: 'settled', note: 'no, enrolled by hand' })
    assert.ok(other.location.endsWith('?done=handled'), 'the choice can be changed')
    assert.match(await read(`/deliveries/${id}`), /“ ?no, enrolled by hand ?”, settled in another way by admin/)
    assert.match(
      await read('/changes'),
      /Marked as paid back by admin · New Comer refunded@example\.com .* refunded by hand/,
    )
  })

  test('with a payload that contains no sale can’t be replayed, and shows what the shop must do', async () => {
    const id = await idOf('no address')
    const { text } = await someone.see(`/deliveries/${id}`)
    assert.match(text, /The shop sent invalid fields/)
    assert.ok(!text.includes(`${id}/replay`))
    assert.ok((await someone.send(`/deliveries/${id}/replay`)).location.endsWith('?done=left'))
  })

  test('that does not exist gives a 404', async () => {
    const missing = ['01JBBBBBBBBBBBBBBBBBBBBBBB', 'x', '%00', '..%2f..']
    for (const id of missing) assert.equal((await someone.see(`/deliveries/${id}`)).status, 404, id)
    assert.equal(
      (await someone.send('/deliveries/01JBBBBBBBBBBBBBBBBBBBBBBB/handled', { as: 'settled', note: 'x' })).status,
      404,
    )
  })

  test('shows no text from the address about the result of a form', async () => {
    const id = await idOf('jose@example.com')
    const { text } = await someone.see(`/deliveries/${id}?done=%3Cb%3Eowned`)
    assert.ok(!text.includes('owned'))
  })
})

describe('a bulk replay', () => {
  test('shows a preview first, excludes succeeded deliveries unless asked, runs, and is listed in the changes', async () => {
    const emails = ['p-1@example.com', 'p-2@example.com', 'p-3@example.com']
    for (const email of emails) await product.sell({ email, courseIds: [MISSING] })
    await product.sell({ email: 'p-4@example.com' })
    const without = await read('/replay?q=p-')
    assert.match(without, /Deliveries to replay: 3\./)
    assert.ok(without.includes('p-1@example.com') && !without.includes('p-4@example.com'))
    assert.match(await read('/replay?q=p-&enrolled=yes'), /Deliveries to replay: 4\./)
    const sent = await someone.send('/replay', { q: 'p-', state: '', from: '', to: '' })
    assert.match(sent.location, /^\/lernito\/console\/replays\/\w+$/)
    const path = sent.location
    const text = await readUntil(path, /All failed again/)
    assert.match(text, /All failed again 3 failed again \./)
    assert.doesNotMatch(text, /continues if you close this page/)
    const [list = ''] = linksOf(await someone.see(path)).filter((link) => link.includes('replay='))
    assert.match(list, /^\/lernito\/console\/deliveries\?state=needs_attention&replay=\w{26}$/)
    const { text: failed } = await someone.see(list)
    for (const email of emails) assert.ok(failed.includes(email))
    assert.match(failed, /1–3 of 3/)
    assert.match(text, /Started by admin/)
    const changes = await someone.see('/changes')
    assert.match(readable(changes), /Started a bulk replay by admin .*bulk replay of 3/)
    assert.ok(linksOf(changes).includes(sent.location))
  })

  test('lists its deliveries, unless there are more than 200', async () => {
    const sellAll = (emails: readonly string[]) =>
      Promise.all(emails.map((email) => product.sell({ email, courseIds: [MISSING] })))
    const isListed = async (): Promise<boolean> => {
      const sent = await someone.send('/replay', { q: 'large-' })
      const path = sent.location
      await readUntil(path, /All failed again/)
      return (await someone.see(path)).text.includes('large-0@example.com')
    }
    await sellAll(Array.from({ length: 200 }, (_, index) => `large-${index}@example.com`))
    assert.equal(await isListed(), true)
    await sellAll(['large-200@example.com'])
    assert.equal(await isListed(), false)
  })

  test('can be stopped', async () => {
    const sent = await someone.send('/replay', { q: 'many-', enrolled: 'yes' })
    const path = sent.location
    const stopped = await someone.send(`${path}/stop`)
    assert.equal(stopped.location, sent.location)
    await readUntil(path, /Stopped|Done/) // its only step may have been first
    assert.equal((await someone.send('/replays/01JBBBBBBBBBBBBBBBBBBBBBBB/stop')).status, 404)
  })
})

describe('refused webhooks', () => {
  test('are listed by cause and sender, with what the shop has to send again; many are a problem until the sender signs rightly', async () => {
    assert.match(await read('/refused'), /No webhook was refused/)
    const headers = { 'content-type': 'application/json', 'x-lernito-signature': 'ab'.repeat(32) }
    await exchange({ url: product.webhook, headers, body: '{}' })
    assert.match(await read('/refused'), /have the shop send again what it sent at [^.]* UTC \. /, 'one time, once')
    for (let count = 0; count < 5; count++) await exchange({ url: product.webhook, headers, body: '{}' })
    await exchange({ url: product.webhook, headers, body: '{' })
    const text = await read('/refused')
    const time = '[^ ]+ [^ ]+ [^ ]+ [\\d:]+ UTC'
    assert.match(
      text,
      new RegExp(`Wrong or missing signature 127\\.0\\.0\\.1 last valid signature ${time} ${time} ${time} 6`),
    )
    assert.match(text, /Invalid JSON or UTF-8 127\.0\.0\.1 .* 1 Times and days: UTC $/)
    assert.match(text, /127\.0\.0\.1 : have the shop send again .* No valid signature has come since then/)
    assert.match(await read('/'), /Webhooks came with a wrong signature 6 from 127\.0\.0\.1 within a second/)
    await product.sell({ email: 'alice@example.com' })
    assert.doesNotMatch(await read('/'), /with a wrong signature/)
    assert.match(await read('/refused'), /have the shop send again .* Its signatures are valid again/)
  })
})

const rowsOf = ({ text }: { text: string }): number => [...text.matchAll(/<tr role="row" id="row-/g)].length

describe('an LMS that is down', () => {
  test('is shown with its start and with the fact that nothing is lost; the page still works', async () => {
    await readUntil('/', /Also in these .* 0 queued/) // the replayed deliveries above are settled
    await product.lms.faults([{ status: 503 }])
    await product.sell({ email: 'waits@example.com' })
    const text = await readUntil('/', /LMS down for/)
    assert.match(text, /The LMS is not available \(503\)\. New sales are stored and wait\. Nothing is lost/)
    assert.match((await someone.see('/')).text, /LMS down since/)
    await readUntil('/', /Also in these .* 1 queued/) // the page may show the last count until there is a newer one
    const during = await readUntil('/incidents', /LMS down/)
    assert.match(during, /not over yet .*LMS down The LMS is not available \(503\) 1 sale waits /)
    await product.lms.noFaults()
    const afterwards = await readUntil('/incidents', /LMS down [^<]*\(503\) 1 sale waited, 1 not registered yet/)
    assert.doesNotMatch(afterwards, /\d sales? waits? /)
    await readUntil('/', /Latest incident: LMS down .* for /)
    await readUntil('/incidents', /No incident now/)
    const overview = await someone.see('/')
    const widthOf = (name: string): number =>
      Number(new RegExp(`<rect class="${name}" .*?width="([\\d.]+)%"`).exec(overview.text)?.[1])
    assert.ok(widthOf('outage') > 0 && widthOf('outage') < widthOf('bar enrolled'), 'a strip over its hours')
    const [list = ''] = linksOf(overview).filter((link) => link.includes('waited='))
    assert.deepEqual(new Set(linksOf(overview).filter((link) => link.includes('waited='))), new Set([list]))
    assert.ok(linksOf(await someone.see('/incidents')).includes(list), 'the same list')
    const buyers = await read(list)
    assert.match(buyers, /Waited .* – .* 1 sale waited, 1 not registered yet Incidents/)
    assert.equal(rowsOf(await someone.see(list)), 1)
    assert.match(buyers, /waits@example\.com/)
  })
})
