import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCache } from '../../src/openedx/cache.ts'
import { failed, type Judged, succeeded } from '../../src/openedx/failure.ts'

function start(answerWith: (key: string, nth: number) => Judged<string>) {
  const at = { ms: 0 }
  const loads: string[] = []
  const cache = createCache<string>({
    now: () => at.ms,
    max: 2,
    ttlMs: (value) => (value === 'short' ? 10 : 100),
    async load(key) {
      loads.push(key)
      return answerWith(key, loads.length)
    },
  })
  return { at, loads, cache }
}

const down = failed({ kind: 'unreachable', endpoint: '/heartbeat', status: null, message: 'down' })

test('a value is kept for as long as its kind may be', async () => {
  const { at, loads, cache } = start((key) => succeeded(key))
  await cache.get('long')
  await cache.get('short')
  at.ms = 10
  assert.deepEqual(await cache.get('long'), succeeded('long'))
  await cache.get('short')
  at.ms = 100
  await cache.get('long')
  assert.deepEqual(loads, ['long', 'short', 'short', 'long'])
})

test('who asks for the same thing at the same time shares one call', async () => {
  const { loads, cache } = start((key, nth) => succeeded(`${key}${nth}`))
  const asked = ['a', 'a', 'b', 'a'].map((key) => cache.get(key))
  assert.deepEqual(await Promise.all(asked), ['a1', 'a1', 'b2', 'a1'].map(succeeded))
  assert.deepEqual(loads, ['a', 'b'])
})

test('a failure is not kept', async () => {
  const { cache } = start((key, nth) => (nth === 1 ? down : succeeded(key)))
  assert.deepEqual(await cache.get('a'), down)
  assert.deepEqual(await cache.get('a'), succeeded('a'))
})

test('a call that throws leaves nothing behind', async () => {
  const { cache } = start((key, nth) => {
    if (nth === 1) throw new Error('defect')
    return succeeded(key)
  })
  await assert.rejects(cache.get('a'), /defect/)
  assert.deepEqual(await cache.get('a'), succeeded('a'))
})

test('what was forgotten is asked for anew, and kept again', async () => {
  const { loads, cache } = start((key, nth) => succeeded(`${key}${nth}`))
  await cache.get('a')
  cache.forget('a')
  assert.deepEqual(await cache.get('a'), succeeded('a2'))
  assert.deepEqual(await cache.get('a'), succeeded('a2'))
  assert.equal(loads.length, 2)
})

test('what was asked for before a time is asked anew, what was asked for since then is kept', async () => {
  const { at, cache } = start((key, nth) => succeeded(`${key}${nth}`))
  at.ms = 10
  await cache.get('a')
  assert.deepEqual(await cache.get('a', 10), succeeded('a1'))
  at.ms = 20
  assert.deepEqual(await cache.get('a', 11), succeeded('a2'))
  assert.deepEqual(await cache.get('a', 11), succeeded('a2'))
})

test('over the bound, what was not used for longest goes', async () => {
  const { loads, cache } = start((key) => succeeded(key))
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await cache.get(key)
  assert.deepEqual(loads, ['a', 'b', 'c', 'b'])
})
