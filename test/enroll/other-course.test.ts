import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { DEMO, type Product, startProduct } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'

for (const { kind, lms: apis } of LMS_KINDS) {
  describe(kind, async () => {
    const product: Product = await startProduct({ lms: apis })
    const { lms, sell } = product
    after(() => product.stop())
    beforeEach(() => lms.reset())

    for (const key of [
      'course-v1:édX+DemoX+Demo_Course',
      'course-v1:edX+DemoX+Demo_Coursé',
      'course-v1:Lernito+PY１０１+2026',
      'course-v1:Ｌernito+PY101+2026',
      'course-v1:edX+ĎemoX+Demo_Course',
    ]) {
      test(`${key} is an unknown course, although the LMS’s database takes it for another`, async () => {
        const before = await lms.state()
        const answered = await sell({ email: 'alice@example.com', courseIds: [key] })
        assert.equal(answered.status, 400)
        assert.deepEqual(answered.json, { success: false, message: `Course ${key} does not exist` })
        assert.deepEqual(await lms.state(), before)
      })
    }

    for (const key of [DEMO.toLowerCase(), `${DEMO}+branch@draft-branch`, 'course-v1:LERNITO+PY101+2026']) {
      test(`${key} is the course in another letter case, or with a branch`, async () => {
        assert.equal((await sell({ email: 'alice@example.com', courseIds: [key] })).status, 200)
      })
    }
  })
}
