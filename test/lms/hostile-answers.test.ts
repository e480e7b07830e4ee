import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { accountCall, searchEmailsCall } from '../../src/lms/apis/accounts.ts'
import { BULK_AVAILABLE, bulkEnrollCall } from '../../src/lms/apis/bulk-enroll.ts'
import { CATALOGUE_COURSE, courseListCall } from '../../src/lms/apis/course-catalogue.ts'
import { addedModesCall, defaultModeCall, modesOnSaleCall } from '../../src/lms/apis/course-modes.ts'
import { COURSE as COURSE_SHAPE, courseCall } from '../../src/lms/apis/courses.ts'
import { courseEnrollmentListCall, enrollCall, enrollmentCall, unenrollCall } from '../../src/lms/apis/enrollment.ts'
import { allowancesCall, allowCall, disallowCall } from '../../src/lms/apis/enrollment-allowed.ts'
import { HEARTBEAT } from '../../src/lms/apis/heartbeat.ts'
import { MODIFY_AVAILABLE, modifyCall } from '../../src/lms/apis/instructor-enrollments.ts'
import { type Answer, judgeOther } from '../../src/lms/client/answer.ts'
import type { Judged } from '../../src/lms/client/failure.ts'
import { judgeToken } from '../../src/lms/client/token.ts'
import { listening } from '../listening.ts'
import { ENROLL } from './calls.ts'
import { answer } from './recorded.ts'
import { type Reply, startScriptedLms } from './scripted-lms.ts'
import { transportTo } from './transport-to.ts'

const COURSE = 'course-v1:edX+DemoX+Demo_Course'
const EMAIL = 'alice@example.com'
const person = { username: 'alice', course: COURSE }

const JUDGES: Readonly<Record<string, (answer: Answer) => Judged<unknown> | Promise<Judged<unknown>>>> = {
  account: accountCall({ email: EMAIL }).judge,
  course: courseCall({ key: COURSE, username: 'u', shape: COURSE_SHAPE }).judge,
  'course modes': modesOnSaleCall({ course: COURSE }).judge,
  'added course modes': addedModesCall({ course: COURSE }).judge,
  'default course mode': defaultModeCall({ course: COURSE }).judge,
  'page of the catalogue': courseListCall({ username: 'u', pageSize: 9 }).judge,
  'course of the catalogue': courseCall({ key: COURSE, username: 'u', shape: CATALOGUE_COURSE }).judge,
  'bulk available': BULK_AVAILABLE.judge,
  bulk: bulkEnrollCall({ ...ENROLL, courses: [COURSE], emails: [EMAIL] }).judge,
  'modify available': MODIFY_AVAILABLE.judge,
  modify: modifyCall({ ...ENROLL, course: COURSE, emails: [EMAIL] }).judge,
  'search by e-mail': searchEmailsCall({ emails: [EMAIL] }).judge,
  enrollment: enrollmentCall(person).judge,
  enroll: enrollCall({ ...person, mode: null }).judge,
  allow: allowCall({ email: EMAIL, course: COURSE }).judge,
  allowances: allowancesCall({ email: EMAIL }).judge,
  disallow: disallowCall({ email: EMAIL, course: COURSE }).judge,
  unenroll: unenrollCall(person).judge,
  'enrollment list of a course': courseEnrollmentListCall({ course: COURSE, usernames: ['alice'] }).judge,
  heartbeat: HEARTBEAT.judge,
  token: judgeToken,
}

const type = (contentType: string) => ({ 'content-type': contentType })
const HTML = type('text/html; charset=utf-8')
const JSON_TYPE = type('application/json')
const SIGN_IN = '<!DOCTYPE html><html><title>Sign in</title><form action="/login"></form></html>'

const WRONG: Readonly<Record<string, Answer>> = {
  'a sign-in page with 200': answer(200, SIGN_IN, HTML),
  'a sign-in page that says it is JSON': answer(200, SIGN_IN, JSON_TYPE),
  'an empty object': answer(200, {}, JSON_TYPE),
  null: answer(200, 'null', JSON_TYPE),
  'a text': answer(200, '"ok"', JSON_TYPE),
  'a number': answer(200, '200', JSON_TYPE),
  'a list of lists': answer(200, [[]], JSON_TYPE),
  'a list of empty objects': answer(200, [{}], JSON_TYPE),
  'success in other words': answer(200, { success: true, status: 'ok', message: 'done' }, JSON_TYPE),
  'its prototype instead of its fields': answer(200, `{"__proto__": ${JSON.stringify({ course_id: COURSE })}}`),
  'half a JSON': answer(200, `{"course_id": "${COURSE}"`, JSON_TYPE),
  'JSON and more': answer(200, `{"course_id": "${COURSE}"}{}`, JSON_TYPE),
  'a million brackets': answer(200, '['.repeat(1_000_000), JSON_TYPE),
  '201 without a word': answer(201, '', JSON_TYPE),
  '202': answer(202, { course_id: COURSE }, JSON_TYPE),
  '206': answer(206, { course_id: COURSE }, JSON_TYPE),
  '302 to a sign-in': answer(302, '', { location: '/login?next=/api' }),
  '304': answer(304, ''),
}

for (const [name, judge] of Object.entries(JUDGES)) {
  test(`${name}: an answer that was never recorded is no success, whatever its status`, async () => {
    for (const [what, wrong] of Object.entries(WRONG)) {
      const judged = await judge(wrong)
      assert.equal(judged.ok, false, what)
    }
    // The LMS answers 204 for a deleted allowance (recorded: enrollment-allowed.json).
    assert.equal((await judge(answer(204, ''))).ok, name === 'disallow')
  })

  test(`${name}: no answer makes the judge throw, and its message is one safe line`, async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.record({ message: fc.string({ unit: 'binary', maxLength: 2_000 }) }).map((body) => JSON.stringify(body)),
      fc.record({ courses: fc.array(fc.string({ unit: 'binary' })) }).map((body) => JSON.stringify(body)),
      fc.record({ error: fc.string() }).map((body) => JSON.stringify(body)),
    )
    const status = fc.oneof(
      fc.constantFrom(200, 201, 204, 400, 401, 403, 404, 406, 409, 429),
      fc.integer({ min: 200, max: 599 }),
    )
    const property = fc.asyncProperty(status, text, fc.option(fc.string()), async (code, body, retryAfter) => {
      const judged = await judge({ ...answer(code, body, JSON_TYPE), retryAfter })
      if (judged.ok) return
      const { message, retryAfterMs } = judged.failure
      assert.ok(message.length <= 300 && message.isWellFormed() && /^[^\p{C}\p{Zl}\p{Zp}]*$/u.test(message), message)
      assert.ok(retryAfterMs === null || (retryAfterMs >= 1_000 && retryAfterMs <= 60_000))
    })
    await fc.assert(property, { numRuns: 500 })
  })
}

test('the wait is from a second to a minute, whatever Retry-After says', () => {
  const dates = fc.date({ noInvalidDate: true }).map((date) => date.toUTCString())
  const header = fc.oneof(fc.string(), fc.integer().map(String), fc.bigInt().map(String), dates, fc.float().map(String))
  const property = fc.property(header, (retryAfter) => {
    const { failure } = judgeOther({ ...answer(429, ''), retryAfter })
    const wait = failure.retryAfterMs ?? 0
    assert.ok(wait >= 1_000 && wait <= 60_000, `${retryAfter}: ${wait}`)
  })
  fc.assert(property, { numRuns: 2_000 })
  const waits = ['-1', '99999999999999999999', 'Thu, 01 Jan 1970 00:00:00 GMT', 'soon', '1e9'].map(
    (retryAfter) => judgeOther({ ...answer(429, ''), retryAfter }).failure.retryAfterMs,
  )
  assert.deepEqual(waits, [60_000, 60_000, 1_000, 60_000, 60_000])
})

const MEGABYTE = 1_000_000

test('a compressed answer is not decompressed: a zip bomb stays small', async (t) => {
  const lms = await startScriptedLms(t)
  const bomb = gzipSync(Buffer.alloc(200 * MEGABYTE))
  assert.ok(bomb.length < MEGABYTE)
  for (const [encoding, body] of [
    ['gzip', bomb],
    ['gzip, gzip', gzipSync(bomb)],
    ['br', bomb],
  ] as const) {
    const reply: Reply = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': encoding })
      response.end(body)
    }
    lms.on('GET /heartbeat', reply)
    const sent = await transportTo(t, lms.url, 5_000)()
    assert.ok(sent.ok)
    assert.ok(sent.value.text.length <= body.length, encoding)
    assert.equal(HEARTBEAT.judge(sent.value).ok, false)
  }
  assert.ok(lms.seen.every(({ headers }) => headers['accept-encoding'] === undefined))
})

/** A server that answers each connection with the output of `talk`, HTTP or not. */
async function startRaw(t: TestContext, talk: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => talk(socket))
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  return `http://${(await listening(t, server)).host}`
}

/** Writes `text` repeatedly, as fast as it is read, until the connection is cut. */
function pour(socket: Socket, text: string): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(text));
  }
  socket.on('drain', more)
  more()
}

const ENDLESS: Readonly<Record<string, { talk: (socket: Socket) => void; says: RegExp }>> = {
  'headers without end': {
    talk: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      pour(socket, `x-more: ${'x'.repeat(1_000)}\r\n`)
    },
    says: /the headers of its answer are too large/,
  },
  'one header without end': {
    talk: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx-more: ')
      pour(socket, 'x'.repeat(1_000))
    },
    says: /the headers of its answer are too large/,
  },
  'interim answers without end': {
    talk: (socket) => pour(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'),
    says: /no complete answer within 0\.3 s/,
  },
  'headers drop by drop': {
    talk: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx-slow: ')
      const drip = setInterval(() => socket.write('x'), 20)
      socket.on('close', () => clearInterval(drip))
    },
    says: /no complete answer within 0\.3 s/,
  },
  'no HTTP': {
    talk: (socket) => socket.write('SSH-2.0-OpenSSH_9.9\r\n'),
    says: /can't be reached: its answer is not HTTP: check the address and its port$/,
  },
  'a body that is shorter than it says': {
    talk: (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}'),
    says: /can't be reached/,
  },
  'two lengths': {
    talk: (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 20\r\n\r\n{}'),
    says: /can't be reached/,
  },
}

for (const [name, { talk, says }] of Object.entries(ENDLESS)) {
  test(`${name}: ends as no answer, in time and in little memory`, async (t) => {
    const url = await startRaw(t, talk)
    const before = process.memoryUsage().rss
    const sent = await transportTo(t, url, 300)()
    assert.ok(!sent.ok)
    assert.equal(sent.failure.kind, 'unreachable')
    assert.match(sent.failure.message, says)
    assert.ok(!sent.failure.message.includes('secret'))
    assert.ok(process.memoryUsage().rss - before < 100 * MEGABYTE)
  })
}

test('an unrequested answer is never taken for the answer to a call', async (t) => {
  let connections = 0
  const url = await startRaw(t, (socket) => {
    connections++
    const said = (word: string): string => `HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n${word}`
    socket.write(`${said(`A-${connections}`)}${said('bad')}`)
  })
  const send = transportTo(t, url, 1_000)
  const texts = [await send(), await send(), await send()].map((sent) => sent.ok && sent.value.text)
  assert.ok(!texts.includes('bad'), texts.join())
})
