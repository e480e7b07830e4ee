import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareReads } from '../../../src/service/lib/share-reads.ts'

function reader() {
  const clock = { at: 1000 }
  const answers: (number | Error)[] = [1, 2, 3]
  const read = async (): Promise<number> => {
    const next = answers.shift() ?? 0
    if (next instanceof Error) throw next
    return next
  }
  return { clock, answers, ask: shareReads({ read, forMs: 10, now: () => clock.at }) }
}

test('those who ask within the time share one read', async () => {
  const { clock, ask } = reader()
  assert.deepEqual(await Promise.all([ask(), ask()]), [1, 1])
  clock.at += 9
  assert.equal(await ask(), 1)
  clock.at += 1
  assert.equal(await ask(), 2)
})

test('a read that fails is not shared with those who ask after it', async () => {
  const { answers, ask } = reader()
  answers.unshift(new Error('the database is away'))
  await assert.rejects(ask())
  assert.equal(await ask(), 1)
})
