import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { operator, readable, startWithConsole } from './harness.ts'

const HOUR_MS = 3_600_000
/** 20 November 2026, 16:30 UTC: in Tokyo it is the 21st already. */
let ahead = Date.UTC(2026, 10, 20, 16, 30) - Date.now()
const now = (): number => Date.now() + ahead
const product = await startWithConsole({ now, lms: { now }, followUpMs: 5000 })
after(() => product.stop())
await product.sell({ email: 'before@example.com' })
ahead += 10 * HOUR_MS
await product.sell({ email: 'after@example.com' })
const someone = await operator(product, now)

/** A page as a browser in this zone gets it. */
const see = (path: string, zone: string) => {
  someone.setCookie(product.console, `lernito_zone=${zone}; Path=/`)
  return someone.see(path)
}

test('the days of the date filter are those of the reader’s zone, in the list, its CSV file and a bulk replay', async () => {
  const found = async (zone: string, query: string): Promise<string[]> => {
    const { text } = await see(`/deliveries?${query}`, zone)
    const csv = await see(`/deliveries.csv?${query}`, zone)
    const emails = ['before', 'after'].filter((name) => text.includes(`>${name}@example.com<`))
    assert.deepEqual(
      ['before', 'after'].filter((name) => csv.text.includes(`"${name}@example.com"`)),
      emails,
    )
    const preview = readable(await see(`/replay?${query}&enrolled=yes`, zone))
    assert.match(preview, emails.length === 0 ? /nothing to replay/ : new RegExp(`replay: ${emails.length}\\.`))
    return emails
  }
  assert.deepEqual(await found('UTC', 'from=2026-11-20&to=2026-11-20'), ['before'])
  assert.deepEqual(await found('Asia/Tokyo', 'from=2026-11-20&to=2026-11-20'), [])
  assert.deepEqual(await found('Asia/Tokyo', 'from=2026-11-21&to=2026-11-21'), ['before', 'after'])
  assert.deepEqual(await found('America/Los_Angeles', 'to=2026-11-20'), ['before', 'after'])
  assert.deepEqual(await found('No/Such_Zone', 'to=2026-11-20'), ['before'])
})

test('the days of the chart, and “today”, are those of the reader’s zone', async () => {
  const overview = async (zone: string) => readable(await see('/', zone))
  assert.match(await overview('UTC'), /Sales 2 1 today/)
  assert.match(await overview('UTC'), /From \(UTC\) .* 21 Nov 0 1 0 20 Nov 0 1 0 19 Nov 0 /)
  assert.match(await overview('Asia/Tokyo'), /Sales 2 2 today/)
  assert.match(await overview('Asia/Tokyo'), /From \(Asia\/Tokyo\) .* 21 Nov 0 2 0 20 Nov 0 /)
})

test('times are written in the reader’s zone, and in UTC for a browser without JavaScript', async () => {
  const [, id = ''] = /row-(\w+)/.exec((await see('/deliveries', 'UTC')).text) ?? []
  assert.match(readable(await see(`/deliveries/${id}`, 'UTC')), /bought 21 Nov 2026, 02:30 UTC .* days: UTC/)
  const tokyo = readable(await see(`/deliveries/${id}`, 'Asia/Tokyo'))
  assert.match(tokyo, /bought 21 Nov 2026, 11:30 .* days: Asia\/Tokyo/)
  assert.doesNotMatch(tokyo, /UTC/)
})

test('the page of a pre-enrolled delivery says how often the service checks', async () => {
  const [, id = ''] = /row-(\w+)/.exec((await see('/deliveries', 'UTC')).text) ?? []
  assert.match(readable(await see(`/deliveries/${id}`, 'UTC')), /The service checks this every 5 s\./)
})

test('the page of a delivery follows it until some seconds after it has settled, and then asks no more', async () => {
  const sold = await product.sell({ email: 'settles@example.com' })
  const asks = async (): Promise<boolean> =>
    (await someone.see(`/deliveries/${sold.headers['x-lernito-delivery']}`)).text.includes('hx-target="#delivery"')
  assert.equal(await asks(), true)
  ahead += 6000
  assert.equal(await asks(), false)
})
