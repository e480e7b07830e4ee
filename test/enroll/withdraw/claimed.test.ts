import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { checkNow } from '../../../src/enroll/follow-up/check-now.ts'
import { DEMO } from '../../harness.ts'
import { LMS_KINDS } from '../../lms-kinds.ts'
import { acquire } from '../follow-up/harness.ts'
import { lmsAt } from '../lms-at.ts'
import { adaIn, NEW, OLD, startWithHeldCalls } from './held-calls.ts'
import { refund } from './refunding.ts'

const ROW = { course: DEMO, mode: 'audit' }

for (const { kind, lms: apis } of LMS_KINDS) {
  describe(`a sale whose buyer a look has found in the course, on ${kind}`, async () => {
    const product = await startWithHeldCalls({ answerWithinMs: 2000, landsMs: 1000, apis })
    const { lms, sell, sold, stateOf, show, context, url } = product
    const { move, activeIn } = adaIn(product)
    const direct = lmsAt(product.lmsUrl)
    after(() => direct.close())

    /** A sale to somebody without an account, who activates one then. */
    const allowed = async (): Promise<string> => {
      const id = await sold(OLD)
      assert.equal(await stateOf(id), 'pre_enrolled')
      await lms.people({ email: OLD, username: 'ada', active: false })
      await lms.activate(OLD)
      return id
    }
    /** Somebody who has the address that the buyer had, and has got the course in another way. */
    const addNext = async (): Promise<void> => {
      await lms.people({ email: OLD, username: 'next', active: true })
      await lms.seed({ enrollments: [{ email: OLD, ...ROW, active: true }] })
    }
    const buyerOf = async (id: string) => (await show(id)).accounts[DEMO]?.username
    const look = async (id: string): Promise<void> => {
      await checkNow({ context, lms: direct, acquire, modeOf: () => null, ids: [id], by: 'alice' })
      assert.equal(await stateOf(id), 'enrolled')
    }
    /** The buyer has left the address before the look, which takes its next owner for the buyer. */
    const claimedByNext = async (): Promise<string> => {
      const id = await allowed()
      await move()
      await addNext()
      await look(id)
      assert.equal(await buyerOf(id), 'next')
      return id
    }

    test('a refund takes out the buyer who has used the allowance, even if the look has found somebody else', async () => {
      const id = await claimedByNext()
      const { status } = await refund({ url, email: OLD })
      assert.deepEqual([status, await activeIn(), await stateOf(id)], [200, [`${OLD} ${DEMO}`], 'withdrawn'])
      assert.equal(await buyerOf(id), 'ada', 'the allowance, which is deleted now, tells it no more')
    })

    test('a repeat finds the buyer who has used the allowance, too', async () => {
      const id = await claimedByNext()
      await sell({ email: OLD })
      assert.equal(await buyerOf(id), 'ada')
      await refund({ url, email: OLD })
      assert.deepEqual([await activeIn(), await stateOf(id)], [[`${OLD} ${DEMO}`], 'withdrawn'])
    })

    test('a repeat that goes to the next owner of the address, because the buyer is out, makes that one the buyer', async () => {
      const id = await claimedByNext()
      await lms.seed({ enrollments: [{ email: NEW, ...ROW, active: false }] })
      await sell({ email: OLD })
      assert.deepEqual([await buyerOf(id), await activeIn()], ['next', [`${OLD} ${DEMO}`]])
      await refund({ url, email: OLD })
      assert.deepEqual([await activeIn(), await stateOf(id)], [[], 'withdrawn'])
    })

    for (const [isDeleted, isRepeated] of [
      [false, true],
      [true, true],
      [true, false],
    ]) {
      const how = `${isDeleted ? 'after somebody has deleted the allowance' : 'by the allowance'}, ${isRepeated ? 'by a repeat' : 'by the refund'}`
      test(`a buyer who has left the address after the look is found again ${how}`, async () => {
        const id = await allowed()
        await look(id)
        await move()
        await addNext()
        if (isDeleted) await direct.disallow(await acquire(), { email: OLD, course: DEMO })
        if (isRepeated) await sell({ email: OLD })
        await refund({ url, email: OLD })
        assert.deepEqual([await activeIn(), await stateOf(id)], [[`${OLD} ${DEMO}`], 'withdrawn'])
      })
    }
  })
}
