import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startWithConsole } from '../console/harness.ts'
import { launchBrowser } from './browser.ts'
import { openConsole } from './console.ts'

const FULL = 'course-v1:Lernito+Full+2026'
const product = await startWithConsole({ lms: { bulk: false } })
const browser = await launchBrowser()
after(async () => {
  await browser.close()
  await product.stop()
})

test('somebody who has never seen it finds a failed delivery, reads why, mends the cause and replays it, by mouse alone', async () => {
  assert.equal((await product.sell({ email: 'grace@example.com', courseIds: [FULL] })).status, 400)
  const { page, wrong } = await openConsole(browser, product)

  await page.getByRole('heading', { name: 'One delivery needs attention' }).waitFor()
  await page.getByRole('link', { name: 'Look at them' }).click()
  await page.getByRole('link', { name: 'grace@example.com' }).click()
  await page.getByText('The course is full, closed, or has no free mode').waitFor()
  const why = (await page.locator('.note.bad').textContent()) ?? ''
  assert.match(why, /The LMS refused: .*full/i)

  // In the LMS: heidi gives her place back.
  await product.lms.seed({ enrollments: [{ email: 'heidi@example.com', course: FULL, mode: 'audit', active: false }] })

  await page.getByRole('button', { name: 'Replay' }).click()
  await page.getByText('Nothing has to be done').waitFor()
  assert.match((await page.locator('ol.timeline').textContent()) ?? '', /Replayed by admin/)
  const { enrollments } = await product.lms.state()
  assert.ok(enrollments.some(({ email, course, active }) => email === 'grace@example.com' && course === FULL && active))
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.getByRole('heading', { name: 'All is well' }).waitFor()
  assert.deepEqual(wrong, [])
})
