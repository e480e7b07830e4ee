import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { markedHtml } from '../../src/console/pages/search.ts'
import { DEMO } from '../harness.ts'
import { until } from '../service/process.ts'
import { holdCalls } from '../service/serving.ts'
import { linksOf, operator, readable, startWithConsole } from './harness.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const product = await startWithConsole()
after(() => product.stop())
const someone = await operator(product)
const sell = (email: string, name: string, courseIds = [DEMO]): Promise<string> => product.idOf(email, courseIds, name)
const search = (q: string) => someone.send('/search', { q })

const martin = await sell('martin.lopez@firma.example', 'Martín López', [PYTHON])
const alice = await sell('alice@example.com', 'Alice', [DEMO, PYTHON])

test('people, deliveries and courses are found by any part of their words, which are marked', async () => {
  const seen = await search(' LOP ')
  assert.equal(seen.status, 200)
  assert.match(seen.text, /data-for="LOP"/)
  assert.match(seen.text, /data-said="People: 1, Deliveries: 1"/)
  assert.match(readable(seen), /People Mart(í|&#.*;)n Lóp ez Comer martin\. lop ez@firma\.example not registered yet/)
  assert.match(seen.text, /<b>Lóp<\/b>ez/)
  assert.match(readable(seen), /Deliveries course-v1:Lernito\+PY101\+2026 .* Waiting for buyer/)
  assert.deepEqual(linksOf(seen), [
    `/lernito/console/people/${martin}`,
    `/lernito/console/deliveries/${martin}`,
    '/lernito/console/deliveries?q=LOP',
  ])
})

test('a course has its sales of 30 days, and nobody is found as a person for having bought it', async () => {
  const seen = await search('py101')
  const text = readable(seen)
  assert.match(text, /Courses course-v1:Lernito\+ PY101 \+2026 2 sales in 30 days/)
  assert.doesNotMatch(text, /People/)
  const from = new Date(Date.now() - 29 * 86_400_000).toISOString().slice(0, 10)
  const counted = new URLSearchParams({ course: PYTHON, sales: 'only', from })
  assert.ok(linksOf(seen).includes(`/lernito/console/deliveries?${counted}`), 'leads to these, and not to older ones')
})

test('courses and sales have the names that the LMS has told, and a course that was not sold is found too', async () => {
  const named = await startWithConsole({ catalogueMs: 500 })
  after(() => named.stop())
  const other = await operator(named)
  await named.sell({ email: 'alice@example.com', courseIds: [DEMO] })
  const text = await until('the catalogue', async () => {
    const found = readable(await other.send('/search', { q: 'alice' }))
    return found.includes('Demonstration Course') ? found : undefined
  })
  assert.match(text, /Deliveries Demonstration Course .* Enrolled/)
  assert.match(
    readable(await other.send('/search', { q: 'python 101' })),
    /Courses Python 101 course-v1:Lernito\+PY 101 \+2026 not sold in 30 days/,
  )
})

test('a delivery is found by its id, and a person by what the last check found', async () => {
  assert.ok(linksOf(await search(alice)).includes(`/lernito/console/deliveries/${alice}`))
  assert.match(readable(await search('alice@example.com')), /alice@example\.com enrolled /)
})

test('the preview of a correction says which account the LMS has for its address', async () => {
  const id = await sell('wrong@example.com', 'Wrong')
  const preview = async (email: string): Promise<string> =>
    readable(await someone.send(`/deliveries/${id}/correct`, { step: 'preview', email, courses: DEMO }))
  assert.match(
    await preview('frank@example.com'),
    /A new delivery for .* The LMS has this course\. frank@example\.com in the LMS: active account frank /,
  )
  assert.match(await preview('frnak@example.com'), /nobody has registered with this address \. Check it for typos/)
})

test('the preview of a correction asks the LMS for several courses at once, so a slow one delays it only once', async () => {
  const { arrived, release, sleep } = holdCalls()
  let held = 0
  const count = async (ms: number): Promise<void> => {
    if (ms > 0) held++
    await sleep(ms)
  }
  const slow = await startWithConsole({ lms: { sleep: count }, env: { LERNITO_LMS_CONCURRENCY: '4' } })
  after(() => slow.stop())
  const other = await operator(slow)
  const { headers } = await slow.sell({ email: 'wrong@example.com', courseIds: ['course-v1:edX+DemoX+Gone'] })
  const courses = [PYTHON, 'course-v1:CodeTherapy+CS101011+2025_T1', DEMO]
  await slow.lms.faults(courses.map((course) => ({ naming: course, method: 'GET', delayMs: 1 })))
  const form = { step: 'preview', email: 'alice@example.com', courses: courses.join('\n') }
  const seen = other.send(`/deliveries/${headers['x-lernito-delivery']}/correct`, form)
  await arrived()
  await until('a look-up of each course', async () => held === courses.length || undefined).finally(release)
  assert.equal(readable(await seen).match(/The LMS has this course/g)?.length, courses.length)
})

describe('an address without a sale', () => {
  test('shows its account in the LMS, and similar addresses that bought', async () => {
    const seen = await search('martin@lopez.example')
    const text = readable(seen)
    assert.match(text, /^ ?No sale to this address is stored\. In the LMS: nobody has registered with this address/)
    assert.match(
      text,
      /Similar: perhaps bought with another address Martín López Comer martin \. lopez @firma\.example/,
    )
    assert.ok(linksOf(seen).includes(`/lernito/console/deliveries/${martin}`))
    assert.match(readable(await search('frank@example.com')), /In the LMS: active account frank/)
  })

  test('has a page, whose link names the address to nobody else', async () => {
    const link = linksOf(await search('frank@example.com')).find((one) => one.includes('/people?')) ?? ''
    assert.doesNotMatch(link, /frank|@|%40/)
    assert.match(readable(await someone.get(product.url + link)), /frank@example\.com Active account in the LMS/)
    const other = await (await operator(product)).get(product.url + link)
    assert.doesNotMatch(other.text, /frank/)
  })

  test('is not looked up while it is still being typed', async () => {
    await product.lms.forgetCalls()
    for (const text of ['frank@', 'frank@example', 'frank@example.c']) {
      assert.doesNotMatch(readable(await search(text)), /No sale to this address is stored/)
    }
    assert.deepEqual(
      (await product.lms.calls()).filter(({ path }) => path.includes('/accounts')),
      [],
    )
  })

  test('says so if the LMS can’t tell, and still finds similar ones', async (t) => {
    t.after(() => product.lms.noFaults())
    await product.lms.faults([{ status: 503 }])
    const text = readable(await search('martin@lopez.example'))
    assert.match(text, /In the LMS: not known now: .*503.* Similar/)
  })
})

test('nothing found, and no text, lead to the list', async () => {
  assert.match(readable(await search('zzzz')), /^ ?No sale contains these words\. More Search the deliveries for zzzz/)
  for (const text of ['', '\u200f']) {
    const { status, text: hits } = await search(text)
    assert.deepEqual([status, hits.includes('No sale contains these words')], [200, true], JSON.stringify(text))
  }
})

test('what a sender wrote stays text, and hidden characters are shown', async () => {
  await sell('trick@example.com', '<b>Eve</b>\u202egnp')
  const { text } = await search('eve')
  assert.match(text, /&#60;b&#62;<b>Eve<\/b>&#60;\/b&#62;/)
  assert.match(text, /<bdi>/)
  assert.ok(!text.includes('\u202e') && text.includes('\\u202e'))
})

test('matches are marked as the search compares letters: without case, accents and ligatures', () => {
  const cases = [
    ['López', ['lop'], '<b>Lóp</b>ez'],
    ['Lo\u0301pez', ['lop'], '<b>Lo\u0301p</b>ez'],
    ['ﬁrma', ['fir'], '<b>ﬁr</b>ma'],
    ['Cœur', ['coeu'], '<b>Cœu</b>r'],
    ['می\u200cخواهم', ['میخ'], '<b>می\u200cخ</b>واهم'],
    ['aaa b', ['aa', 'b'], '<b>aaa</b> <b>b</b>'],
    ['<i>', ['<'], '<b>&#60;</b>i&#62;'],
    ['none', ['x', ''], 'none'],
  ] as const
  for (const [text, words, html] of cases) assert.equal(markedHtml(text, words), html)
})
