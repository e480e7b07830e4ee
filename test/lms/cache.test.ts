import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCache } from '../../src/lms/client/cache.ts'
import { failed, type Judged, succeeded } from '../../src/lms/client/failure.ts'

/** Values that begin with `none` may not be kept. */
function start(answerWith: (key: string, nth: number) => Judged<string> | Promise<Judged<string>>) {
  const at = { ms: 0 }
  const loads: string[] = []
  const cache = createCache<string>({
    now: () => at.ms,
    max: 2,
    ttlMs: (value) => (value.startsWith('none') ? 0 : value === 'short' ? 10 : 100),
    restMs: 25,
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

test('a value from before the clock was set back is not kept', async () => {
  const { at, loads, cache } = start((key) => succeeded(key))
  at.ms = 3_600_000
  await cache.get('long')
  at.ms = 0
  await cache.get('long')
  assert.deepEqual(loads, ['long', 'long'])
})

test('callers that ask for the same key at the same time share one request', async () => {
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

test('a request that throws leaves nothing behind', async () => {
  const { cache } = start((key, nth) => {
    if (nth === 1) throw new Error('defect')
    return succeeded(key)
  })
  await assert.rejects(cache.get('a'), /defect/)
  assert.deepEqual(await cache.get('a'), succeeded('a'))
})

test('a forgotten value is requested again, and kept again', async () => {
  const { loads, cache } = start((key, nth) => succeeded(`${key}${nth}`))
  await cache.get('a')
  cache.forget('a')
  assert.deepEqual(await cache.get('a'), succeeded('a2'))
  assert.deepEqual(await cache.get('a'), succeeded('a2'))
  assert.equal(loads.length, 2)
})

test('a value requested before `since` is requested again, and one requested after it is kept', async () => {
  const { at, cache } = start((key, nth) => succeeded(`${key}${nth}`))
  at.ms = 10
  await cache.get('a')
  assert.deepEqual(await cache.get('a', 10), succeeded('a1'))
  at.ms = 20
  assert.deepEqual(await cache.get('a', 11), succeeded('a2'))
  assert.deepEqual(await cache.get('a', 11), succeeded('a2'))
})

test('above the maximum, the oldest value goes', async () => {
  const { loads, cache } = start((key) => succeeded(key))
  for (const key of ['a', 'b', 'a', 'c', 'b', 'a']) await cache.get(key)
  assert.deepEqual(loads, ['a', 'b', 'c', 'a'])
})

test('a value that may not be kept is requested again for each later caller', async () => {
  const { at, loads, cache } = start((_, nth) => succeeded(nth < 3 ? `none${nth}` : 'found'))
  assert.deepEqual(await cache.get('a'), succeeded('none1'))
  at.ms = 25
  assert.deepEqual(await cache.get('a'), succeeded('none2'))
  at.ms = 50
  assert.deepEqual(await cache.get('a'), succeeded('found'))
  assert.deepEqual(await cache.get('a'), succeeded('found'))
  assert.equal(loads.length, 3)
})

test('callers that come during such a request don’t take its value; they share the next request', async () => {
  const first = Promise.withResolvers<Judged<string>>()
  const { at, loads, cache } = start((_, nth) => (nth === 1 ? first.promise : succeeded(`none${nth}`)))
  const early = cache.get('a')
  const late = [1, 2, 3].map(() => cache.get('a'))
  at.ms = 25
  first.resolve(succeeded('none1'))
  assert.deepEqual(await early, succeeded('none1'))
  assert.deepEqual(
    await Promise.all(late),
    late.map(() => succeeded('none2')),
  )
  assert.equal(loads.length, 2)
})

test('a caller that comes during the request for a value that may be kept takes the value', async () => {
  const first = Promise.withResolvers<Judged<string>>()
  const { loads, cache } = start(() => first.promise)
  const both = [cache.get('a'), cache.get('a')]
  first.resolve(succeeded('found'))
  assert.deepEqual(await Promise.all(both), [succeeded('found'), succeeded('found')])
  assert.equal(loads.length, 1)
})

test('there is a rest between two requests for a value that may not be kept, and callers that come in it share the second', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { at, loads, cache } = start((key, nth) => succeeded(key === 'a' ? `none${nth}` : key))
  await cache.get('a')
  at.ms = 10
  const waiting = [cache.get('a'), cache.get('a')]
  assert.deepEqual(await cache.get('b'), succeeded('b'), 'another key doesn’t wait')
  t.mock.timers.tick(14)
  assert.deepEqual(loads, ['a', 'b'])
  t.mock.timers.tick(1)
  assert.deepEqual(await Promise.all(waiting), [succeeded('none3'), succeeded('none3')])
  assert.deepEqual(loads, ['a', 'b', 'a'])
})

test('a clock that is set back doesn’t make a rest longer', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { at, loads, cache } = start((_, nth) => succeeded(`none${nth}`))
  at.ms = 1_000_000
  await cache.get('a')
  at.ms = 0
  void cache.get('a')
  t.mock.timers.tick(24)
  assert.equal(loads.length, 1)
  t.mock.timers.tick(1)
  assert.equal(loads.length, 2)
})
