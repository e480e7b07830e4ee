import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundsOf } from '../../src/console/layout/period.ts'
import { dayIn, zoneOf } from '../../src/console/layout/zone.ts'

const HOUR_MS = 3_600_000
const iso = (at: number): string => new Date(at).toISOString().replace(':00.000Z', 'Z')
const isoDay = (day: string, name: string): string[] => {
  const { from, to } = dayIn(day, zoneOf(name))
  return [iso(from), iso(to)]
}

test('a name that is no time zone stands for UTC', () => {
  for (const name of [undefined, '', 'Etc/Unknown', '+05:17', '<script>', '../../etc', 'A'.repeat(100)]) {
    assert.equal(zoneOf(name).name, 'UTC', name)
  }
  for (const name of ['Europe/Madrid', 'Asia/Calcutta', 'Etc/GMT+5', 'UTC']) assert.equal(zoneOf(name).name, name)
})

test('the formats of a zone are made once, in whatever letter case a cookie names it, and however many others are asked for', () => {
  const { format } = zoneOf('Europe/Madrid')
  for (const name of Intl.supportedValuesOf('timeZone')) zoneOf(name)
  for (const name of ['Europe/Madrid', 'europe/MADRID', 'EUROPE/Madrid']) {
    const zone = zoneOf(name)
    assert.deepEqual([zone.name, zone.format === format], [name, true])
  }
})

test('a day begins at midnight in the zone, and ends when the next one begins', () => {
  assert.deepEqual(isoDay('2026-11-20', 'UTC'), ['2026-11-20T00:00Z', '2026-11-21T00:00Z'])
  assert.deepEqual(isoDay('2026-11-20', 'Asia/Tokyo'), ['2026-11-19T15:00Z', '2026-11-20T15:00Z'])
  assert.deepEqual(isoDay('2026-11-20', 'Asia/Kathmandu'), ['2026-11-19T18:15Z', '2026-11-20T18:15Z'])
  assert.deepEqual(isoDay('2026-11-20', 'Pacific/Kiritimati'), ['2026-11-19T10:00Z', '2026-11-20T10:00Z'])
})

test('the day has 23 or 25 hours when the clocks change', () => {
  const hours = (day: string, name: string): number => {
    const { from, to } = dayIn(day, zoneOf(name))
    return (to - from) / HOUR_MS
  }
  assert.deepEqual(isoDay('2026-03-29', 'Europe/Madrid'), ['2026-03-28T23:00Z', '2026-03-29T22:00Z'])
  assert.equal(hours('2026-03-29', 'Europe/Madrid'), 23)
  assert.equal(hours('2026-10-25', 'Europe/Madrid'), 25)
  assert.equal(hours('2026-04-05', 'Australia/Lord_Howe'), 24.5)
})

test('a day whose midnight is skipped or repeated begins with its first moment', () => {
  assert.deepEqual(isoDay('2026-03-29', 'Asia/Beirut'), ['2026-03-28T22:00Z', '2026-03-29T21:00Z'], 'skipped')
  assert.deepEqual(isoDay('2026-11-01', 'America/Havana'), ['2026-11-01T04:00Z', '2026-11-02T05:00Z'], 'repeated')
  assert.deepEqual(isoDay('2011-12-30', 'Pacific/Apia'), ['2011-12-30T10:00Z', '2011-12-30T10:00Z'], 'never was')
})

test('the latest days follow each other without gaps, and the last one is running', () => {
  for (const name of ['UTC', 'Europe/Madrid', 'America/St_Johns', 'Asia/Beirut', 'Australia/Lord_Howe']) {
    const zone = zoneOf(name)
    for (let now = Date.UTC(2026, 0, 1, 0, 30); now < Date.UTC(2027, 0, 1); now += 55.5 * HOUR_MS) {
      const { bounds: days } = boundsOf({ from: '', to: '' }, { now, zone })
      assert.equal(days.length, 31)
      const [start = 0, end = 0] = days.slice(-2)
      assert.ok(start <= now && now < end, `${name} ${iso(now)}`)
      for (const [i, from] of days.slice(0, -1).entries()) {
        const hours = ((days[i + 1] ?? 0) - from) / HOUR_MS
        assert.ok(hours >= 23 && hours <= 25, `${name} ${iso(from)} has ${hours} hours`)
        assert.match(zone.format('seconds', from), / (00:00|01:00):00$/)
      }
    }
  }
})
