import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO } from '../harness.ts'
import { operator, readable, startWithConsole } from './harness.ts'

const BULK = '/api/bulk_enroll/v1/bulk_enroll'

test('the overview and the page of courses name a course for which the LMS fails, until the course works again', async (t) => {
  const clock = { ahead: 0 }
  const now = (): number => Date.now() + clock.ahead
  const product = await startWithConsole({ now, catalogueMs: 1_000, env: { LERNITO_LMS_CALLS_PER_MINUTE: '0' } })
  t.after(() => product.stop())
  const someone = await operator(product, now)
  const { readUntil: pageWith } = someone

  await product.lms.faults([{ method: 'POST', path: BULK, naming: DEMO, status: 500 }])
  const sold = Promise.all(['a', 'b', 'c'].map((name) => product.sell({ email: `${name}@example.com` })))
  // It has its name once the service has read the courses of the LMS.
  const named = /Enrollment in (Demonstration Course|course-v1:edX\+DemoX\+Demo_Course) has been failing for/
  const text = await pageWith('/', named)
  assert.match(text, /Sales of other courses are enrolled as usual\. .* the next attempt is in (\d+ s|a second)/)
  await pageWith(
    '/courses',
    /Buyers can’t get in 1 course, 3 sales .*Demo_Course enrollment fails for (\d+ s|a second)/,
  )

  const list = await someone.see('/deliveries?q=a@example.com')
  assert.match(readable(list), /Queued .*Next attempt .*; the last one failed/)
  const [, id = ''] = /id="row-(\w{26})"/.exec(list.text) ?? []
  const waiting = await someone.read(`/deliveries/${id}`)
  assert.match(waiting, /Not enrolled yet\..* The last attempt failed: .*500.* Next attempt: .* Copy reply/)

  await product.lms.noFaults()
  clock.ahead = 11_000
  await product.sell({ email: 'd@example.com' })
  await pageWith('/', /^(?!.*has been failing for)/)
  await pageWith('/courses', /Demo_Course open/)
  await sold
})
