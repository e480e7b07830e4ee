import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSameAddress } from '../../src/openedx/address.ts'
import { judgeEnroll } from '../../src/openedx/enrollment.ts'
import { judgeDisallow } from '../../src/openedx/enrollment-allowed.ts'
import { answerOf, exchangeOf, recorded, verdict } from './recorded.ts'

const PAID = '../lms-newer/paid-modes'

/** The verdict on a call for alice, erin or frank. */
function enrolled(name: string) {
  const exchange = exchangeOf(PAID, name)
  const { user, course_details: course } = Object(exchange.request.json)
  return verdict(judgeEnroll(answerOf(exchange), { username: user, course: course.course_id }))
}

test('paid-modes.json: a lost paid mode comes back without a mode in the call, but not with audit', () => {
  assert.deepEqual(enrolled('after that, enrolled again with no mode: verified again'), {
    active: true,
    mode: 'verified',
  })
  assert.deepEqual(enrolled('after that, enrolled again with audit named'), { active: true, mode: 'audit' })
})

test('paid-modes.json: if the course has no free mode, the LMS refuses both', () => {
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

test('people-lists.json: the address shows that the database took one person for another', () => {
  const surprise = recorded('../lms-newer/people-lists').find(({ name }) => name.includes('SURPRISE'))
  assert.ok(surprise)
  const [asked = ''] = [Object(surprise.request.json).emails].flat()
  const [found] = [surprise.response.body].flat()
  assert.deepEqual([asked, Object(found).email], ['user@example.com', 'user@exämple.com'])
  assert.equal(isSameAddress(asked, Object(found).email), false)
})
