import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Changes } from '../../sandbox/lms/lms.ts'
import { createClock } from './clock.ts'
import { startRecordedWorld } from './recording.ts'
import { bulk, bulkPath, control, demo, post } from './requests.ts'

const pairs = (told: readonly Changes[]) => told.map(({ effects }) => effects.map(({ kind, email }) => [kind, email]))

test('the changes of each call are reported, but not what it finds unchanged', async () => {
  const told: Changes[] = []
  await using lms = await startRecordedWorld({ onChanges: (changes) => told.push(changes) })
  await bulk(lms, ['alice@example.com', 'nobody@x.org'])
  await bulk(lms, ['alice@example.com', 'nobody@x.org'])
  const json = { action: 'unenroll', courses: demo, identifiers: 'alice@example.com,nobody@x.org' }
  await post({ url: lms.url, path: bulkPath, json, token: lms.staff })
  assert.deepEqual(pairs(told), [
    [
      ['enrolled', 'alice@example.com'],
      ['allowed', 'nobody@x.org'],
    ],
    [
      ['unenrolled', 'alice@example.com'],
      ['disallowed', 'nobody@x.org'],
    ],
  ])
  assert.ok(told.every(({ user, effects }) => user !== '' && effects.every(({ course }) => course === demo)))
})

test('changes are reported with the times of the call and of the commit, and not for a call that is rolled back', async () => {
  const clock = createClock()
  const told: Changes[] = []
  const onChanges = (changes: Changes): void => void told.push(changes)
  await using lms = await startRecordedWorld({ now: clock.now, sleep: clock.sleep, onChanges })
  await control(lms, 'faults', { faults: [{ method: 'POST', path: bulkPath, delayMs: 1000 }] })
  const began = clock.now()
  const one = bulk(lms, ['p1@x.org', 'p2@x.org'])
  await clock.slept(1)
  const victim = bulk(lms, ['p2@x.org', 'p1@x.org', 'p3@x.org'])
  await clock.slept(2)
  clock.advance(1000)
  await Promise.all([one, victim])
  assert.deepEqual(pairs(told), [
    [
      ['allowed', 'p1@x.org'],
      ['allowed', 'p2@x.org'],
    ],
  ])
  assert.deepEqual([told[0]?.beganAt, told[0]?.at], [began, began + 1000])
})
