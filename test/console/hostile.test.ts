import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { cell } from '../../src/console/pages/deliveries/deliveries-page.ts'
import { cpuMs } from '../cpu-time.ts'
import { DEMO, exchange, signed } from '../harness.ts'
import { operator, startWithConsole } from './harness.ts'

const product = await startWithConsole({ lms: { bulk: false, modify: false } })
after(() => product.stop())
const someone = await operator(product)

const mark = (field: string): string => `"'><img src=x title=${field} onerror=alert(1)><script>alert(2)</script>`
const RAW = /<img|<script>|onerror=alert[^<]*>/

async function sell(fields: Record<string, unknown>): Promise<string> {
  const body = JSON.stringify({
    email: 'x@example.com',
    name: 'N',
    family: 'F',
    username: 'u',
    courseIds: ['course-v1:edX+DemoX+Demo_Course'],
    ...fields,
  })
  const answered = await exchange({ url: product.webhook, headers: signed(body), body })
  return String(answered.headers['x-lernito-delivery'])
}

describe('text from a stranger', () => {
  const pages = async (id: string): Promise<string[]> =>
    Promise.all(
      ['/', '/deliveries', `/deliveries/${id}`, '/changes', '/replay', '/replay?enrolled=yes'].map(async (path) => {
        const seen = await someone.see(path)
        assert.equal(seen.status, 200, path)
        return seen.text
      }),
    )

  const fields: Record<string, Record<string, unknown>> = {
    name: { name: mark('name'), email: 'name@example.com' },
    family: { family: mark('family'), email: 'family@example.com' },
    username: { username: mark('username'), email: 'username@example.com' },
    'a course key': { courseIds: [mark('course')], email: 'course@example.com' },
    'an e-mail address': { email: '"<img/src=x/onerror=alert(1)>"@example.com' },
    'an invalid e-mail address': { email: mark('email') },
    'another field': { [mark('field')]: mark('value'), email: 'other@example.com' },
  }
  for (const [name, payload] of Object.entries(fields)) {
    test(`in ${name} is shown as text on every page`, async () => {
      const id = await sell(payload)
      const shown = await pages(id)
      for (const page of shown) assert.doesNotMatch(page, RAW)
      assert.ok(
        shown.some((page) => page.includes('&#60;img')),
        'the text is shown',
      )
    })
  }

  test('in an answer of the LMS is shown as text', async () => {
    const body = { message: mark('lms') }
    await product.lms.faults([{ method: 'POST', path: '/api/enrollment/v1/enrollment', status: 400, body, times: 1 }])
    const id = await sell({ email: 'alice@example.com' })
    const shown = await pages(id)
    for (const page of shown) assert.doesNotMatch(page, RAW)
    assert.ok(shown[2]?.includes('title=lms') || shown[2]?.includes('title&#61;lms'))
  })

  test('in a note is shown as text', async () => {
    const id = await sell({ email: 'note@example.com', courseIds: ['course-v1:No+Such+Course'] })
    await someone.send(`/deliveries/${id}/handled`, { as: 'settled', note: mark('note') })
    for (const page of await pages(id)) assert.doesNotMatch(page, RAW)
  })

  test('in the address of a page is shown as text or not at all', async () => {
    for (const path of ['/deliveries', '/replay', '/changes', '/signature', '/']) {
      for (const name of ['q', 'state', 'from', 'to', 'done', 'enrolled']) {
        const { text } = await someone.see(`${path}?${new URLSearchParams({ [name]: mark(name) })}`)
        assert.doesNotMatch(text, RAW, `${path}?${name}`)
      }
    }
  })

  test('is the same text in a field and a title if it begins as the addresses of pages do', async () => {
    const id = await sell({ email: '~/tilde@example.com', courseIds: ['~/no-course'] })
    const list = await someone.see(`/deliveries?${new URLSearchParams({ q: '~/tilde' })}`)
    assert.match(list.text, / value="~\/tilde"/)
    assert.match(list.text, / title="~\/tilde@example\.com"/)
    const form = await someone.see(`/deliveries/${id}/correct`)
    assert.match(form.text, / value="~\/tilde@example\.com"/)
  })

  test('gives no link from a course to another page of the LMS', async () => {
    const id = await sell({
      email: 'path@example.com',
      courseIds: ['../../logout', 'javascript:alert(1)', '//evil.test/x'],
    })
    const { text } = await someone.see(`/deliveries/${id}`)
    assert.doesNotMatch(text, /href="[^"]*(logout|javascript|evil)/)
  })
})

describe('the CSV file', () => {
  const formulas = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', ' =1', '\u0000=1', '\uff1d1', '"=1', "'=1"]
  for (const text of formulas) {
    test(`${JSON.stringify(text)} is text, not a formula`, () => {
      const written = cell(text)
      assert.match(written, /^"('|""|'')/)
      assert.doesNotMatch(written, /^"[\s\p{Cc}]*[=+\-@\uff1d]/u)
    })
  }

  for (const text of ['=1+1', '-1', ' @SUM(A1)', '"=1', '\t" +1']) {
    test(`a;${JSON.stringify(text)} is no formula where a semicolon separates cells`, () => {
      assert.match(cell(`a;${text}`), /^"a;'/)
    })
  }

  test('every cell is quoted', () => {
    assert.equal(cell('a,"b"\r\nc'), '"a,""b""\r\nc"')
    assert.equal(cell('alice@example.com'), '"alice@example.com"')
    assert.equal(cell('Lovelace; Ada'), '"Lovelace; Ada"')
  })

  test('has every delivery that the list finds, and no formula', async () => {
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => sell({ email: `csv-${index}@example.com`, username: '=cmd|calc' })),
    )
    const seen = await someone.see('/deliveries.csv?q=csv-')
    assert.equal(seen.status, 200)
    assert.match(String(seen.headers['content-type']), /^text\/csv; charset=utf-8/)
    assert.match(
      String(seen.headers['content-disposition']),
      /^attachment; filename="deliveries-\d{4}-\d\d-\d\d\.csv"$/,
    )
    const [head, ...rows] = seen.text.trimEnd().split('\r\n')
    assert.match(head ?? '', /^\ufeff"id","state","email","name","username","course","course_name","received",/)
    assert.equal(rows.length, 30)
    assert.equal(new Set(rows.map((row) => row.split(',')[2])).size, 30)
    for (const row of rows) assert.ok(row.includes(`,"'=cmd|calc",`), row)
  })

  test('has a course once, of a sale that names it in two spellings', async () => {
    await sell({ email: 'twice@example.com', courseIds: [DEMO, `${DEMO.toLowerCase()}+branch@draft`] })
    const seen = await someone.see('/deliveries.csv?q=twice')
    assert.equal(seen.text.trimEnd().split('\r\n').length, 2)
  })

  test('of a sale of 5,000 courses does not keep the service from its webhooks', async () => {
    const courseIds = Array.from({ length: 5_000 }, (_, index) => `a/b/${index}`)
    await sell({ email: 'many@example.com', courseIds })
    const began = cpuMs()
    const seen = await someone.see('/deliveries.csv?q=many')
    const ms = cpuMs() - began
    assert.equal(seen.text.trimEnd().split('\r\n').length, 5_001)
    assert.ok(ms < 5000, `${ms} ms of CPU time`) // some 500 here; what grows with the square takes 15 s
  })

  test('includes all pages of the list', async () => {
    await Promise.all(Array.from({ length: 620 }, (_, index) => sell({ email: `none-${index}` })))
    const rows = (await someone.see('/deliveries.csv?state=rejected')).text.trimEnd().split('\r\n').slice(1)
    const ids = new Set(rows.map((row) => row.split(',')[0]))
    assert.ok(ids.size === rows.length && ids.size >= 620, `${ids.size} of ${rows.length}`)
  })
})
