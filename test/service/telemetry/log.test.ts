import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { DeliveryEvent } from '../../../src/sale/types.ts'
import { maskEmails } from '../../../src/service/lib/sanitize.ts'
import { createLog, errorFields, type Log, logEvent } from '../../../src/service/telemetry/log.ts'
import { cpuMs } from '../../cpu-time.ts'

const MEGABYTE = 'x'.repeat(1_000_000)
const NASTY = {
  'a line break': 'a\r\n{"level":"error","msg":"forged"}',
  'a terminal escape': '\u001b[31mred\u001b[0m\u001b]0;title\u0007',
  'a terminal escape of one byte': '\u009b31mred',
  'a delete and a backspace': 'a\u007f\bb',
  'separators of lines': 'a\u2028b\u2029c\u0085d',
  'a changed reading direction': 'invoice\u202efdp.exe\u2066x\u2069\u200f',
  'invisible characters': 'ad\u200bmin\ufeff\u00ad\u{e0041}',
  'half a character': 'a\ud800b\udc00',
  NUL: 'a\0b',
  'a megabyte': MEGABYTE,
  'a megabyte of quotes': '"'.repeat(1_000_000),
  'a megabyte of backslashes': '\\'.repeat(1_000_000),
}

/** Returns the one line that `say` logs, without its line break. */
function lineOf(say: (log: Log) => void): string {
  const written: string[] = []
  say(createLog({ level: 'debug', destination: { write: (text) => written.push(text) } }))
  const [line = '', ...more] = written
  assert.deepEqual(more, [])
  assert.ok(line.endsWith('\n'))
  return line.slice(0, -1)
}

const WAYS: Readonly<Record<string, (text: string) => (log: Log) => void>> = {
  'a field': (text) => (log) => log.info({ detail: text }, 'logged'),
  'the name of a field': (text) => (log) => log.info({ [text]: 1 }, 'logged'),
  'the message': (text) => (log) => log.warn(text),
  'the message beside fields': (text) => (log) => log.warn({ a: 1 }, text),
  'an object in a field': (text) => (log) => log.info({ a: { b: [{ [text]: text }, text] } }, 'logged'),
  'an error': (text) => (log) => log.error(errorFields(new Error(text, { cause: new Error(text) })), 'failed'),
  'an error in a field': (text) => (log) => log.error({ a: new Error(text) }, 'failed'),
  'an error alone': (text) => (log) => log.error(new Error(text)),
  'a thrown value that is not an error': (text) => (log) => log.error(errorFields(text), 'failed'),
  'an event': (text) => (log) =>
    logEvent(log, { id: 'e', deliveryId: 'd', at: 0, kind: 'needs_attention', detail: text, actor: text }),
}

for (const [way, say] of Object.entries(WAYS)) {
  test(`${way}: any text gives one short line of JSON that is harmless to a terminal`, () => {
    for (const [what, text] of Object.entries(NASTY)) {
      const line = lineOf(say(text))
      assert.ok(line.length < 8_000, `${what}: ${line.length}`)
      assert.match(line, /^[^\p{C}\p{Zl}\p{Zp}]+$/u, what)
      const { level } = JSON.parse(line)
      assert.ok(['info', 'warn', 'error'].includes(level) && !line.includes('"level":"error","msg":"forged"'), what)
    }
  })

  test(`${way}: no complete address, token, or signature is logged`, () => {
    const token = `eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl`
    const line = lineOf(say(`alice@example.com ${'ab12'.repeat(16)} ${token}`))
    assert.ok(line.includes('a***@example.com (a signature) (a token)'), line)
    for (const secret of ['alice@', 'ab12ab12', 'eyJ', 'c2lnbmF0dXJl']) assert.ok(!line.includes(secret), secret)
  })
}

test('an event of a delivery that needs attention is a warning, every other event is information', () => {
  const levelOf = (kind: DeliveryEvent['kind']): unknown =>
    JSON.parse(lineOf((log) => logEvent(log, { id: 'e', deliveryId: 'd', at: 0, kind, detail: '', actor: null }))).level
  assert.equal(levelOf('needs_attention'), 'warn')
  for (const kind of ['received', 'enrolled', 'rejected', 'retry_scheduled', 'replayed'] as const) {
    assert.equal(levelOf(kind), 'info', kind)
  }
})

test('an escaped text reads as the original', () => {
  const { detail } = JSON.parse(lineOf((log) => log.info({ detail: NASTY['invisible characters'] }, 'logged')))
  assert.equal(detail, NASTY['invisible characters'])
})

test('a list or an object of any size or depth is cut', () => {
  let deep: unknown = 'bottom'
  for (let depth = 0; depth < 10_000; depth++) deep = [deep]
  const wide = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`key${i}`, i]))
  const line = lineOf((log) =>
    log.info({ deep, wide, list: Array(100_000).fill('x'), bytes: Buffer.alloc(9) }, 'logged'),
  )
  assert.ok(line.length < 3_000)
  const { bytes, deep: shown } = JSON.parse(line)
  assert.equal(bytes, '(9 bytes)')
  assert.deepEqual(shown, [[['(more)']]])
})

test('fields that are not texts stay unchanged', () => {
  const fields = { status: 401, ok: false, none: null, owner: { id: 7 } }
  const { level, time, msg, ...shown } = JSON.parse(lineOf((log) => log.info(fields, 'logged')))
  assert.deepEqual(shown, fields)
  assert.deepEqual([level, msg, new Date(time).toISOString()], ['info', 'logged', time])
})

test('a masked address keeps only its first letter and its domain, in every notation, and what is none stays', () => {
  for (const [text, shown] of [
    ['alice@example.com', 'a***@example.com'],
    ['<alice@example.com>, bob@example.org;', '<a***@example.com>, b***@example.org;'],
    ['email=alice@example.com', 'e***@example.com'],
    [`o'brien+x=y/z@example.com`, 'o***@example.com'],
    ['"very wide \\" quoted"@example.com', 'v***@example.com'],
    ['mailto:alice%40example.com', 'mailto:a***%40example.com'],
    ['zoë@bücher.example', 'z***@bücher.example'],
    ['𝒶lice@example.com', '𝒶***@example.com'],
    ['a@b@example.com', 'a***@b***@example.com'],
    ['course-v1:edX+DemoX+Demo_Course', 'course-v1:edX+DemoX+Demo_Course'],
    ['at f (/srv/node_modules/@fastify/error/index.js:1:2)', 'at f (/srv/node_modules/@fastify/error/index.js:1:2)'],
    ['twitter @someone', 'twitter @someone'],
    ["denied for user 'lernito'@'10.0.0.5'", "denied for user 'lernito'@'10.0.0.5'"],
  ] as const) {
    assert.equal(maskEmails(text), shown)
  }
})

test('no address is logged completely, whatever its characters', () => {
  // Without the asterisk, which also appears in a masked address.
  const local = fc.string({ unit: fc.constantFrom(..."aZ9.!#$%&'+-/=?^_`{|}~éß文"), minLength: 2, maxLength: 64 })
  const around = fc.constantFrom('', ' ', '"', "'", '<', '(', 'a ', ': ', ',', '[', '\n', '\\')
  const property = fc.property(local, around, around, (name, before, after) => {
    const line = lineOf((log) => log.info({ detail: `${before}${name}@example.com${after}` }, 'logged'))
    assert.ok(!JSON.parse(line).detail.includes(`${name}@`))
  })
  fc.assert(property, { numRuns: 2_000 })
})

test('masking a long text is fast', () => {
  const began = cpuMs()
  for (const unit of ['a', '"', '\\', '@', '%40', 'eyJ', 'a@', '"a', 'ab12'.repeat(8)]) {
    lineOf((log) => log.info({ detail: unit.repeat(1_000_000 / unit.length) }, 'logged'))
  }
  assert.ok(cpuMs() - began < 5_000) // in quadratic time, this would take hours
})
