import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openConsole, startBrowsing } from './console.ts'

const FULL = 'course-v1:Lernito+Full+2026'
const { product, browser } = await startBrowsing({ lms: { bulk: false, modify: false } })

test('an operator who is new to the console finds a failed delivery, reads the cause, fixes it, and replays, by mouse alone', async () => {
  assert.equal((await product.sell({ email: 'grace@example.com', courseIds: [FULL] })).status, 400)
  const { page, wrong } = await openConsole(browser, product)

  await page.getByText('One delivery needs attention').waitFor()
  await page.getByRole('link', { name: /Refused by the LMS/ }).click()
  await page.getByRole('heading', { level: 1, name: 'New Comer' }).waitFor()
  await page.getByText('The course is probably full or has no free mode').waitFor()
  const reason = (await page.locator('.note.bad').textContent()) ?? ''
  assert.match(reason, /The LMS refused the enrollment in .*full/i)

  // Free a place in the course: unenroll heidi.
  await product.lms.seed({ enrollments: [{ email: 'heidi@example.com', course: FULL, mode: 'audit', active: false }] })

  await page.getByRole('button', { name: 'Replay' }).click()
  await page.getByText('In the course.').waitFor()
  assert.match((await page.locator('ol.timeline').textContent()) ?? '', /Replayed by admin/)
  const { enrollments } = await product.lms.state()
  assert.ok(enrollments.some(({ email, course, active }) => email === 'grace@example.com' && course === FULL && active))
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.getByRole('heading', { name: 'All quiet' }).waitFor()
  assert.deepEqual(wrong, [])
})
