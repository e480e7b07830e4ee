import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MOVED } from '../../../src/sale/words.ts'
import { DEMO } from '../../harness.ts'
import { DAY_MS, history, setUp } from './harness.ts'

const [OLD, NEW] = ['ada@x.example', 'ada@x.test']
const row = (email: string, active: boolean) => ({ email, course: DEMO, mode: 'audit', active })

for (const how of ['the same address', 'a new address'] as const) {
  test(`a sale whose access has ended has it again by a newer sale to the same account: ${how}`, async (t) => {
    const bench = await setUp(t)
    await bench.lookAgain()
    await bench.people({ email: OLD, username: 'ada', active: true })
    const found = await bench.lms.account(OLD)
    assert.ok(found.ok && 'id' in found.value && found.value.id !== undefined)
    const { id: accountId, username } = found.value
    const accounts = { [DEMO]: { id: accountId, username } }
    const courses = { [DEMO]: 'enrolled' } as const
    await bench.seed({ enrollments: [row(OLD, true)] })
    const id = await bench.sellOne({ email: OLD, courses, accounts })
    await bench.seed({ enrollments: [row(OLD, false)] })
    bench.later(2 * DAY_MS)
    await bench.lookAgain()
    assert.deepEqual(await history(bench, id), [`access_ended: ${DEMO}: unenrolled (audit)`])
    const to = how === 'a new address' ? NEW : OLD
    if (to === NEW) await bench.address({ formerly: OLD, email: NEW })
    bench.later(DAY_MS)
    await bench.seed({ enrollments: [row(to, true)] })
    await bench.sellOne({ email: to, order: 2, courses, accounts })
    bench.later(7 * DAY_MS)
    await bench.lookAgain()
    bench.later(7 * DAY_MS)
    await bench.lookAgain()
    const [, ...told] = await history(bench, id)
    assert.deepEqual(told, [`access_restored: ${DEMO}: enrolled (audit)${to === NEW ? `; ${MOVED}` : ''}`])
    assert.equal((await bench.delivery(id)).standings[DEMO]?.endedAt, undefined)
  })
}

test('of two sales that have both lost a course, both have it back', async (t) => {
  const bench = await setUp(t)
  await bench.lookAgain()
  await bench.people({ email: OLD, username: 'ada', active: true })
  await bench.seed({ enrollments: [row(OLD, true)] })
  const ids: string[] = []
  for (const order of [1, 2]) ids.push(await bench.sellOne({ email: OLD, order, courses: { [DEMO]: 'enrolled' } }))
  bench.later(2 * DAY_MS)
  for (const active of [false, true]) {
    await bench.seed({ enrollments: [row(OLD, active)] })
    bench.later(7 * DAY_MS)
    await bench.lookAgain()
  }
  for (const id of ids) {
    const told = (await history(bench, id)).map((one) => one.replace(/:.*/, ''))
    assert.deepEqual(told, ['access_ended', 'access_restored'])
  }
})
