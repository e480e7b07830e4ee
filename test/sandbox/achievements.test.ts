import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { World } from '../../sandbox/lms/world.ts'
import { control, DEMO } from '../harness.ts'
import { compare, readRecording, startRecordedWorld } from './recording.ts'

/** What each exchange needs that is not in the world. */
const BEFORE: Readonly<Record<string, string | null>> = {
  'certificate: issued': 'downloadable',
  'certificates: that can be seen': 'downloadable',
  'certificate: being made': 'generating',
  'certificate: invalidated': 'unavailable',
}

test('answers as quoted in outcomes.json, but for a course whose certificates are off', async () => {
  await using lms = await startRecordedWorld()
  const { achievement, seed } = control(lms.url)
  const enrolled = ['alice@example.com', 'Dave@Example.com'].map((email) => ({
    email,
    course: DEMO,
    mode: 'audit',
    active: true,
  }))
  await seed({ enrollments: enrolled })
  await achievement({ email: 'alice@example.com', course: DEMO, passed: true, percent: 83 })
  const { exchanges } = await readRecording('outcomes.json')
  for (const exchange of exchanges) {
    const { name, request } = exchange
    if (name === 'certificate: the course has no active certificate') continue
    assert.ok(request)
    const certificate = BEFORE[name]
    if (certificate !== undefined) await achievement({ email: 'alice@example.com', course: DEMO, certificate })
    await compare({ response: await lms.send(request), exchange, url: lms.url })
  }
})

test('a certificate keeps its address and time when it is invalidated and given again, and can be deleted', async () => {
  await using lms = await startRecordedWorld()
  const { achievement } = control(lms.url)
  const read = async () => {
    const headers = { authorization: '<token of the staff application>' }
    const path = `/api/certificates/v0/certificates/alice/courses/${encodeURIComponent(DEMO)}/`
    const response = await lms.send({ method: 'GET', path, headers })
    return { status: response.status, body: JSON.parse(await response.text()) }
  }
  const give = (certificate: string | null) => achievement({ email: 'alice@example.com', course: DEMO, certificate })
  await give('downloadable')
  const first = await read()
  await give('unavailable')
  assert.equal((await read()).body.download_url, null)
  await give('downloadable')
  assert.deepEqual(await read(), first)
  await give(null)
  assert.equal((await read()).status, 404)
})

test('certificates that cannot be seen yet, or do not count, are not in the list', async () => {
  const [PYTHON, HONOR] = ['course-v1:Lernito+PY101+2026', 'course-v1:Lernito+Honor+2026']
  const from: Readonly<Record<string, string>> = { [DEMO]: '2026-12-24', [PYTHON]: '2026-12-01' }
  const withDates = (world: World): World => ({
    ...world,
    courses: world.courses.map((one) => ({ ...one, certificates_from: from[one.id] })),
  })
  await using lms = await startRecordedWorld({ now: () => Date.UTC(2026, 11, 3) }, withDates)
  const { achievement } = control(lms.url)
  for (const [course, certificate] of [
    [DEMO, 'downloadable'],
    [PYTHON, 'downloadable'],
    [HONOR, 'unavailable'],
  ] as const)
    await achievement({ email: 'alice@example.com', course, certificate })
  const headers = { authorization: '<token of the staff application>' }
  const response = await lms.send({ method: 'GET', path: '/api/certificates/v0/certificates/alice/', headers })
  const listed = z.array(z.object({ course_id: z.string() })).parse(await response.json())
  assert.deepEqual(listed, [{ course_id: PYTHON }])
})
