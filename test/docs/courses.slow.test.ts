import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signStandardWebhook } from '../../src/shop/signature/published.ts'
import { exchange, SECRET, startProduct } from '../harness.ts'
import { checkOf, complaintOf, DESCRIBED } from '../openapi/described.ts'
import { until } from '../service/process.ts'
import { codeBlocks, readDocument } from './documents.ts'

const page = readDocument('docs/reference/courses.md')
const path = '/api/lernito/courses/'
const CLEAN_CODE = 'course-v1:CodeTherapy+CS101011+2025_T1'

test('the samples of the page are as described, and a real answer to its request is the sample', async (t) => {
  const [sample = ''] = codeBlocks(page, 'json')
  const [body = ''] = codeBlocks(page, 'http').map((request) => request.split('\n\n')[1] ?? '')
  assert.equal(checkOf(DESCRIBED.components.schemas.Courses).safeParse(JSON.parse(sample)).error, undefined)
  assert.equal(checkOf(DESCRIBED.components.schemas.CoursesRequest).safeParse(JSON.parse(body)).error, undefined)

  const [unasked, product] = [await startProduct(), await startProduct({ catalogueMs: 200 })]
  t.after(() => Promise.all([unasked.stop(), product.stop()]))
  await product.sell({ email: 'alice@example.com', courseIds: [CLEAN_CODE] })
  const ask = (known: Record<string, string> = {}, { url } = product) => {
    const signed = signStandardWebhook({ id: 'courses-1', body, secret: SECRET })
    const headers = { 'content-type': 'application/json', ...signed, ...known }
    return exchange({ url: url + path, headers, body: body.trim() })
  }
  const early = await ask({}, unasked)
  const answered = await until('the modes', async () => {
    const one = await ask()
    return one.text.includes('"modes":[') ? one : undefined
  })
  const same = await ask({ 'if-none-match': String(answered.headers.etag) })
  assert.deepEqual([early.status, answered.status, same.status], [503, 200, 304])
  for (const one of [early, answered, same]) assert.equal(complaintOf({ path, method: 'POST', ...one }), null)
  const { checkedAt, ...rest } = JSON.parse(answered.text)
  assert.ok(Date.now() - Date.parse(checkedAt) < 60_000)
  const { checkedAt: _sampled, ...expected } = JSON.parse(sample)
  assert.deepEqual(rest, expected)
})
