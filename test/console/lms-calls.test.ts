import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLmsCalls } from '../../src/console/lms-calls.ts'
import { AppError } from '../../src/service/lib/errors.ts'
import { lmsAt } from '../enroll/lms-at.ts'

test('why a call was not made has no full stop, because pages say it in the middle of a sentence', async () => {
  const acquire = () => Promise.reject(new AppError('lease.lost', 'This replica may not call the LMS now.'))
  const { whatStands } = createLmsCalls({ lms: lmsAt('http://127.0.0.1:9'), acquire })
  const answered = await whatStands({
    email: 'alice@example.com',
    courses: [{ course: 'course-v1:a+b+c', account: null, claimed: false, result: null }],
  })
  assert.deepEqual(answered, { ok: false, message: 'This replica may not call the LMS now' })
})
