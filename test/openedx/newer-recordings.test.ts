import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSameAddress } from '../../src/openedx/address.ts'
import { judgeEnroll } from '../../src/openedx/enrollment.ts'
import { judgeDisallow } from '../../src/openedx/enrollment-allowed.ts'
import { answerOf, exchangeOf, recorded, verdict } from './recorded.ts'

const PAID = '../lms-newer/paid-modes'

/** What the LMS made of a call for alice, erin or frank, in short. */
function enrolled(name: string) {
  const exchange = exchangeOf(PAID, name)
  const { user, course_details: course } = Object(exchange.request.json)
  return verdict(judgeEnroll(answerOf(exchange), { username: user, course: course.course_id }))
}

test('paid-modes.json: without a mode a lost paid one comes back, with audit named it does not', () => {
  assert.deepEqual(enrolled('after that, enrolled again with no mode: verified again'), {
    active: true,
    mode: 'verified',
  })
  assert.deepEqual(enrolled('after that, enrolled again with audit named'), { active: true, mode: 'audit' })
})

test('paid-modes.json: where the course has no free mode, the LMS refuses both', () => {
  for (const name of [
    'verified only, no mode named',
    'verified only, audit named',
    'professional only, no mode named',
    'no-id-professional only, no mode named',
  ]) {
    assert.equal(enrolled(name), 'refused', name)
  }
})

test('unenroll.json: a used allowance can be deleted', () => {
  const exchange = exchangeOf('../lms-newer/unenroll', 'allowance: DELETE of a used one: the enrollment stays')
  assert.equal(verdict(judgeDisallow(answerOf(exchange))), true)
})

test('people-lists.json: the person whom the database takes for another is told apart by the address', () => {
  const surprise = recorded('../lms-newer/people-lists').find(({ name }) => name.includes('SURPRISE'))
  assert.ok(surprise)
  const [asked = ''] = [Object(surprise.request.json).emails].flat()
  const [found] = [surprise.response.body].flat()
  assert.deepEqual([asked, Object(found).email], ['user@example.com', 'user@exämple.com'])
  assert.equal(isSameAddress(asked, Object(found).email), false)
})
