import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { z } from 'zod'
import { signStandardWebhook } from '../../../src/shop/signature/published.ts'
import { DEMO, exchange, SECRET, signed, startProduct } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { manyCourses, worldOf } from './harness.ts'

const PATH = '/api/lernito/courses/'

const standard: typeof signed = (body) => signStandardWebhook({ id: 'msg_1', body, secret: SECRET })

type Options = Parameters<typeof startProduct>[0]

async function setUp(t: TestContext, options: Options = {}) {
  const product = await startProduct({ catalogueMs: 100, ...options })
  t.after(() => product.stop())
  const post = async (body: string, headers: Record<string, string>) => {
    const url = product.url + PATH
    const answered = await exchange({ url, headers: { 'content-type': 'application/json', ...headers }, body })
    return { ...answered, json: answered.text === '' ? null : JSON.parse(answered.text) }
  }
  const ask = (asked: unknown, { sign = signed, headers = {} } = {}) => {
    const body = JSON.stringify(asked)
    return post(body, { ...sign(body), ...headers })
  }
  const listed = async (about: (course: Course) => boolean = () => true): Promise<Course[]> => {
    return until('the catalogue', async () => {
      const { status, json } = await ask({})
      const found = status === 200 ? coursesIn(json) : []
      return found.some(about) ? found : undefined
    })
  }
  return { ...product, post, ask, listed }
}

const shape = z.object({
  courses: z.array(z.looseObject({ id: z.string(), sellable: z.boolean(), reason: z.unknown() })),
})
type Course = z.infer<typeof shape>['courses'][number]
const coursesIn = (json: unknown): Course[] => shape.parse(json).courses

test('the shop learns which courses the LMS has, and which can’t be sold and why', async (t) => {
  const { sell, listed } = await setUp(t, {
    lms: { bulk: false, modify: false },
    env: { LERNITO_COURSE_MODE: 'course-v1:Lernito+PY101+2026=honor' },
  })
  const [python, full, pro] = ['PY101', 'Full', 'Pro'].map((one) => `course-v1:Lernito+${one}+2026`)
  assert.equal((await sell({ email: 'alice@example.com', courseIds: [DEMO] })).status, 200)
  for (const course of [python, full, pro]) await sell({ email: 'alice@example.com', courseIds: [course ?? ''] })
  const courses = await listed(({ id, modes }) => id === pro && modes !== null)
  const reasons = Object.fromEntries(
    courses
      .filter(({ sellable }) => !sellable)
      .map(({ id, reason }) => [id, z.object({ code: z.string() }).parse(reason).code]),
  )
  assert.deepEqual(reasons, {
    'course-v1:Lernito+Closed+2026': 'closed',
    'course-v1:Lernito+Invite+2026': 'invitation_only',
    [full ?? '']: 'full',
    [pro ?? '']: 'no_mode',
    [python ?? '']: 'no_mode',
  })
  assert.deepEqual(
    courses.find(({ id }) => id === DEMO),
    {
      id: DEMO,
      name: 'Demonstration Course',
      organization: 'edX',
      start: '2020-01-01T00:00:00Z',
      end: null,
      enrollmentStart: null,
      enrollmentEnd: null,
      sellable: true,
      reason: null,
      modes: [{ slug: 'audit', name: 'Audit', price: 0, currency: 'usd', until: null }],
    },
  )
  assert.equal(courses.find(({ id }) => id === 'course-v1:Lernito+Honor+2026')?.modes, null, 'it was not sold')
})

test('a course counts as full while a refused sale needs attention, even if a later one was enrolled', async (t) => {
  const { sell, listed, lms } = await setUp(t, { lms: { bulk: false, modify: false } })
  const course = 'course-v1:Lernito+Full+2026'
  assert.equal((await sell({ email: 'alice@example.com', courseIds: [course] })).status, 400)
  await lms.seed({ enrollments: [{ email: 'heidi@example.com', course, mode: 'audit', active: false }] })
  assert.equal((await sell({ email: 'erin@example.com', courseIds: [course] })).status, 200)
  const courses = await listed(({ id, reason }) => id === course && reason !== null)
  const message = 'The LMS refused a sale that still needs attention, most likely because the course is full'
  assert.deepEqual(courses.find(({ id }) => id === course)?.reason, { code: 'full', message })
})

test('the courses come in pages, each once and in the order of their keys', async (t) => {
  const { ask, listed } = await setUp(t, { lms: { world: worldOf(manyCourses(230)) } })
  await listed()
  const keys: string[] = []
  const sizes: number[] = []
  for (let after: unknown = null, pages = 0; pages < 10; pages++) {
    const { json } = await ask({ after, size: 90 })
    const page = coursesIn(json)
    keys.push(...page.map(({ id }) => id))
    sizes.push(page.length)
    after = json.next
    if (after === null) break
  }
  assert.deepEqual(sizes, [90, 90, 50])
  assert.deepEqual(
    keys,
    manyCourses(230).map(({ id }) => id),
  )
  assert.equal(coursesIn((await ask({})).json).length, 100)
  assert.deepEqual((await ask({ after: 'z' }, { sign: standard })).json, {
    ...(await ask({ after: 'z' })).json,
    courses: [],
    next: null,
  })
  assert.equal((await ask({ after: '\u{10330}'.repeat(255) })).status, 200, 'a key of 255 characters')
})

test('who has the page already gets 304 with its age, until something in it changes', async (t) => {
  const courses = manyCourses(3)
  const { ask, listed, lms } = await setUp(t, { lms: { world: worldOf(courses) } })
  await listed()
  const first = await ask({})
  const etag = String(first.headers.etag)
  assert.match(etag, /^W\/"[\w-]{22}"$/)
  assert.match(first.json.checkedAt, /^\d{4}-.*Z$/)
  for (const known of [etag, `"x", ${etag}`, '*']) {
    const again = await ask({}, { headers: { 'if-none-match': known } })
    assert.deepEqual([again.status, again.text, again.headers.etag], [304, '', etag])
    assert.ok([undefined, '0'].includes(again.headers['content-length']), again.headers['content-length'])
    assert.match(String(again.headers.age), /^\d+$/)
  }
  assert.equal((await ask({}, { headers: { 'if-none-match': '"other"' } })).status, 200)
  assert.equal((await ask({ size: 1 }, { headers: { 'if-none-match': etag } })).status, 200)
  await lms.reset(worldOf(courses.map((course) => ({ ...course, name: `${course.name}!` }))))
  await until('the new names', async () =>
    (await ask({}, { headers: { 'if-none-match': etag } })).status === 200 ? true : undefined,
  )
})

test('before the LMS was first asked, the answer is 503, and nothing unsigned tells which courses exist', async (t) => {
  const { ask, post } = await setUp(t, { catalogueMs: 600_000 })
  const early = await ask({})
  assert.deepEqual([early.status, early.headers['retry-after']], [503, '60'])
  assert.match(early.json.message, /are not known yet/)
  const signature = signed('{"size":1}')
  for (const headers of [{}, signature, { 'x-lernito-signature': 'nonsense' }]) {
    const refused = await post('{}', headers)
    assert.deepEqual([refused.status, refused.json], [401, { success: false, message: 'Invalid signature' }])
    assert.equal(refused.headers.etag, undefined)
  }
})

test('wrong fields: 400 by field', async (t) => {
  const { ask } = await setUp(t, { catalogueMs: 600_000 })
  const wrong: readonly (readonly [asked: unknown, message: object])[] = [
    [[], { non_field_errors: ['Invalid data. Expected a dictionary, but got list.'] }],
    [{ size: 0 }, { size: ['Ensure this value is greater than or equal to 1.'] }],
    [{ size: 101 }, { size: ['Ensure this value is less than or equal to 100.'] }],
    [{ size: 1.5 }, { size: ['A valid integer is required.'] }],
    [{ size: '5' }, { size: ['A valid integer is required.'] }],
    [
      { after: 5, size: true },
      { after: ['Not a valid string.'], size: ['A valid integer is required.'] },
    ],
    [{ after: 'x'.repeat(256) }, { after: ['Ensure this field has no more than 255 characters.'] }],
  ]
  for (const [asked, message] of wrong) {
    const { status, json } = await ask(asked)
    assert.deepEqual([status, json], [400, { success: false, message }])
  }
})

test('an LMS whose courses can’t be read gets a line in the log, and another one only for another reason', async (t) => {
  const { lms, log } = await setUp(t)
  const path = '/api/courses/v1/courses/'
  for (const status of [500, 502]) {
    await lms.noFaults()
    await lms.faults([{ path, status }])
    await lms.forgetCalls()
    await until('several readings', async () => {
      const calls = await lms.calls()
      return calls.some((call) => call.path === path && call.status === status && call.count >= 4) || undefined
    })
  }
  const told = log.filter(({ msg }) => String(msg).startsWith('courses of the LMS could not be read'))
  assert.deepEqual(
    told.map(({ reason }) => /\b50[02]\b/.exec(String(reason))?.[0]),
    ['500', '502'],
  )
})
