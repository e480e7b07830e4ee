import assert from 'node:assert/strict'
import { test } from 'node:test'
import { daysFrom, hoursBetween, zoneOf } from '../../src/console/layout/zone.ts'
import { axisOf, chartHtml } from '../../src/console/pages/overview/chart.ts'
import type { Band } from '../../src/operators/incidents/incidents.ts'
import { type Bar, countsOf } from '../../src/operators/reports/counts.ts'
import { linksOf } from './harness.ts'

const HOUR_MS = 3_600_000
const zone = zoneOf('Europe/Berlin')
const now = Date.UTC(2026, 10, 27, 11)
const bounds = daysFrom({ first: '2026-11-24', last: '2026-11-27', zone })
const bars: Bar[] = bounds.slice(0, -1).map((from, index) => ({
  from,
  to: bounds[index + 1] ?? now,
  counts: countsOf([{ state: 'enrolled', count: index }]),
}))
const band = (from: number, to: number | null): Band => ({
  id: 'ID',
  kind: 'down',
  cause: '',
  from,
  to,
})
const draw = (bands: readonly Band[]): string => chartHtml({ bars, by: 'day', zone, bands, now })
const stripOf = (html: string): { x: number; width: number } => {
  const [, x, width] = /<rect class="outage" x="([\d.]+)%" y="[\d.]+" width="([\d.]+)%"/.exec(html) ?? []
  return { x: Number(x), width: Number(width) }
}

test('the lines of the axis are 1, 2, 2.5 or 5 times a power of ten apart, few, and at most a fifth of it is air', () => {
  for (let most = 0; most <= 3000; most++) {
    const { step, top } = axisOf(most)
    assert.ok(top >= most && (top - most <= top / 5 || most < 2), `${most}: ${top}`)
    assert.match(String(step), /^(1|2|25|5)0*$/, `${most}`)
    assert.ok(top / step >= 2 && top / step <= 9 && Number.isInteger(top / step), `${most}: ${step} ${top}`)
  }
  assert.deepEqual(
    [21, 57, 32].map((most) => axisOf(most).top),
    [25, 60, 40],
  )
})

test('a bar leads to the sales that were received on its day, and so does the table', () => {
  const html = draw([])
  const to = (day: string): number =>
    linksOf({ text: html }).filter((link) => link === `~/deliveries?sales=only&from=${day}&to=${day}`).length
  assert.equal(to('2026-11-27'), 2)
  assert.equal(to('2026-11-24'), 1, 'no bar, no link but that of the table')
})

test('a bar of an hour leads to the sales of that hour, and so does the table', () => {
  const [from = 0, to = 0] = bounds
  const hours = hoursBetween(from, to)
  const some = hours.slice(0, -1).map((start, index) => ({
    from: start,
    to: hours[index + 1] ?? to,
    counts: countsOf([{ state: 'enrolled' as const, count: 1 }]),
  }))
  const links = linksOf({ text: chartHtml({ bars: some, by: 'hour', zone, bands: [], now }) })
  const link = `~/deliveries?sales=only&received=${from + 9 * HOUR_MS}-${from + 10 * HOUR_MS}`
  assert.equal(links.filter((one) => one === link).length, 2)
})

test('an outage is a strip over its hours, and leads to the sales that waited', () => {
  const start = bounds[1] ?? 0
  const step = 100 / 4
  const half = draw([band(start + 6 * HOUR_MS, start + 18 * HOUR_MS)])
  assert.deepEqual(stripOf(half), { x: step * 1.25, width: step / 2 })
  assert.ok(linksOf({ text: half }).includes(`~/deliveries?waited=${start + 6 * HOUR_MS}-${start + 18 * HOUR_MS}`))
  assert.ok(stripOf(draw([band(start, start + 1000)])).width > 0, 'a short one can be seen')
  assert.ok(
    linksOf({ text: draw([band(start, null)]) }).includes(`~/deliveries?waited=${start}-`),
    'one that lasts has no end',
  )
  assert.equal(stripOf(draw([band(start - 40 * HOUR_MS, start)])).x, 0, 'one that began earlier')
})
