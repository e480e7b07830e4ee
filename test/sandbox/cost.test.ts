import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callCost, createWorkers } from '../../src/sandbox/cost.ts'
import { startRecordedWorld } from './recording.ts'
import { bulk, control, demo, get, post } from './requests.ts'

test('a call costs 20 ms, 3 for each new allowance, 20 for each new enrollment, 1 for each person already there', () => {
  assert.equal(callCost({ newAllowances: 0, newEnrollments: 0, already: 0 }), 20)
  assert.equal(callCost({ newAllowances: 50, newEnrollments: 2, already: 7 }), 20 + 150 + 40 + 7)
})

test('the measured cost of a call is what it does, and it does it once', async () => {
  const slept: number[] = []
  const sleep = async (milliseconds: number) => void slept.push(milliseconds)
  await using lms = await startRecordedWorld({ cost: 'measured', sleep })
  slept.length = 0
  await bulk(lms, ['alice@example.com', 'bob@example.com', 'new@example.com', 'nonsense'])
  await bulk(lms, ['alice@example.com', 'bob@example.com', 'new@example.com', 'nonsense'])
  const single = { user: 'erin', is_active: true, course_details: { course_id: demo } }
  const enroll = () => post({ url: lms.url, path: '/api/enrollment/v1/enrollment', json: single, token: lms.staff })
  assert.equal((await enroll()).status, 200)
  assert.equal((await enroll()).status, 200)
  await get(lms, '/api/user/v1/accounts?email=alice%40example.com')
  await fetch(`${lms.url}/heartbeat`)
  await control(lms, 'state', undefined, 'GET')
  assert.deepEqual(slept, [20 + 20 + 3 + 3, 20 + 3, 40, 21, 20])
  const { enrollments, allowances } = await lms.state()
  assert.equal(enrollments.length, 3)
  assert.equal(allowances.length, 2)
})

test('without a cost a call takes no time', async () => {
  const slept: number[] = []
  await using lms = await startRecordedWorld({ sleep: async (milliseconds) => void slept.push(milliseconds) })
  await bulk(lms, ['alice@example.com'])
  assert.deepEqual(slept, [])
})

test('the LMS has two workers; who comes third waits for the first that is free, in order', async () => {
  const workers = createWorkers({ cost: 'measured' })
  const entered: string[] = []
  const enter = async (name: string) => {
    const leave = await workers.enter()
    entered.push(name)
    return leave
  }
  const leaveFirst = await enter('first')
  const leaveSecond = await enter('second')
  const third = enter('third')
  const fourth = enter('fourth')
  await new Promise(setImmediate)
  assert.deepEqual(entered, ['first', 'second'])
  leaveSecond()
  const leaveThird = await third
  assert.deepEqual(entered, ['first', 'second', 'third'])
  leaveFirst()
  leaveThird()
  await fourth
  assert.deepEqual(entered, ['first', 'second', 'third', 'fourth'])
})

test('more calls than workers are all answered', async () => {
  await using lms = await startRecordedWorld({ cost: 'measured', sleep: async () => {} })
  const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => bulk(lms, [`p${index}@example.com`])))
  assert.deepEqual(
    answers.map(({ status }) => status),
    Array(12).fill(200),
  )
  assert.equal((await lms.state()).allowances.length, 12)
})
