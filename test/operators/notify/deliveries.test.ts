import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zoneOf } from '../../../src/console/layout/zone.ts'
import { filterOf, readQuery } from '../../../src/console/pages/deliveries/list-filters.ts'
import { MAX_CAUSES } from '../../../src/operators/notify/notices.ts'
import { newsText } from '../../../src/operators/notify/words.ts'
import { storeLines } from '../../../src/queue/lines.ts'
import { linesIn } from '../../lines.ts'
import { COURSE, only } from '../../queue/harness.ts'
import { setUpNotifier } from './harness.ts'

const LINK = `https://lms.example.com/lernito/console/deliveries?state=needs_attention&cause=course.missing&about=${encodeURIComponent(COURSE)}`
const courseOf = (n: number): string => `course-v1:edX+C${n}+2026`
const missing = (n: number) => ({ code: 'course.missing', subject: courseOf(n) }) as const

test('the first delivery of a cause gives a text within a minute, with the reason and a link to the list', async (t) => {
  const { chat, pass, fail } = await setUpNotifier(t)
  await fail()
  await pass(1)
  assert.deepEqual(chat.texts, [
    `lernito-openedx: 1 delivery needs attention: the LMS has no course ${COURSE}. See ${LINK}`,
  ])
  await pass(90)
  assert.equal(chat.texts.length, 1)
})

test('a reason about the LMS names the course that it came up in, and not what the LMS says', async (t) => {
  const { chat, pass, fail } = await setUpNotifier(t)
  await fail({ code: 'lms.refused', subject: 'ada@x.example is not welcome', course: COURSE })
  await pass(1)
  assert.match(
    chat.texts[0] ?? '',
    new RegExp(`: 1 delivery needs attention: the LMS refused .* in ${COURSE.replaceAll('+', '\\+')}\\. See `),
  )
  assert.doesNotMatch(chat.texts[0] ?? '', /ada|welcome/)
})

test('further deliveries of the cause are gathered for 10 minutes, then for an hour', async (t) => {
  const { chat, pass, fail } = await setUpNotifier(t)
  await fail()
  await pass(1)
  await fail()
  await fail()
  await pass(8)
  assert.equal(chat.texts.length, 1)
  await pass(2)
  assert.match(chat.texts[1] ?? '', /^lernito-openedx: 2 more deliveries need attention: /)
  await fail()
  await pass(50)
  assert.equal(chat.texts.length, 2)
  await pass(11)
  assert.match(chat.texts[2] ?? '', /^lernito-openedx: 1 more delivery needs attention: /)
})

test('after an hour without a delivery of the cause, the next one gives a text at once again', async (t) => {
  const { chat, pass, fail, notices } = await setUpNotifier(t)
  await fail()
  await pass(62)
  assert.deepEqual(await notices(), [])
  await fail()
  await pass(1)
  assert.match(chat.texts[1] ?? '', /^lernito-openedx: 1 delivery needs attention/)
})

test('causes that come together share a text, and a text names ten of them', async (t) => {
  const { chat, pass, fail } = await setUpNotifier(t)
  for (let i = 0; i < 12; i++) await fail(missing(i))
  await fail(missing(11))
  await pass(1)
  const lines = only(chat.texts).split('\n')
  assert.equal(lines.length, 12)
  assert.equal(lines[0], 'lernito-openedx:')
  assert.match(lines[1] ?? '', /^- 2 deliveries need attention: the LMS has no course course-v1:edX\+C11\+2026\./)
  assert.match(lines[11] ?? '', /^- and 2 more causes with 2 deliveries\. See \S+deliveries\?state=needs_attention$/)
  await pass(90)
  assert.equal(chat.texts.length, 1)
})

test('the table stays small however many courses fail, and no delivery is left out', async (t) => {
  const { chat, pass, fail, notices } = await setUpNotifier(t)
  for (let i = 0; i < MAX_CAUSES + 20; i++) await fail(missing(i))
  await pass(1)
  const stored = await notices()
  assert.equal(stored.length, MAX_CAUSES + 1)
  assert.match(only(chat.texts), /and 91 more causes with 91 deliveries/)
})

test('withdrawals that share a row are counted in the text', () => {
  const shared = { id: 'a', kind: 'withdrawal', code: 'failed', subject: '', detail: '', sent_at: null } as const
  const text = (count: number): string =>
    newsText({ notices: [{ ...shared, count, first_at: 0, last_at: 0, texts: 0 }], over: [] }, null)
  assert.match(text(1), /: 1 more withdrawal failed\. /)
  assert.match(text(2), /: 2 more withdrawals failed\. /)
})

test('a rejected delivery gives a text too, without what the shop sent', async (t) => {
  const { chat, pass, fail } = await setUpNotifier(t)
  await fail({ code: 'payload.invalid', subject: '{"email":["alice@example.com is wrong"]}' })
  await fail({ code: 'person.other_account', subject: 'bob@example.com' })
  await fail({ code: 'lms.refused', subject: 'carol@example.com: full' })
  await pass(1)
  const text = only(chat.texts)
  assert.match(
    text,
    /^- 1 delivery was rejected: the shop sent invalid fields\. See \S+deliveries\?state=rejected&cause=payload.invalid$/m,
  )
  assert.match(text, /^- 1 delivery needs attention: the LMS matches the address to an account with another address\./m)
  assert.match(text, /^- 1 delivery needs attention: the LMS refused the enrollment\./m)
  assert.doesNotMatch(text, /@/)
})

test('keys that differ in letter case or have a branch are one cause, and the text spells one as the shop did', async (t) => {
  const { chat, pass, fail, notices } = await setUpNotifier(t)
  const [own, other] = [COURSE, `${COURSE.replace('edX', 'EDX')}+branch@draft`]
  for (const subject of [own, other, own]) await fail({ code: 'course.missing', subject })
  await pass(1)
  assert.equal((await notices()).length, 1)
  const [, key = ''] = /3 deliveries need attention: the LMS has no course (\S+)\. /.exec(only(chat.texts)) ?? []
  assert.ok([own, other].includes(key), key)
  await fail({ code: 'course.missing', subject: key === own ? other : own })
  await pass(1)
  assert.equal((await notices()).length, 1)
})

test('the link of a text lists the deliveries that the text names, and no others', async (t) => {
  const { chat, pass, fail, operations } = await setUpNotifier(t)
  const refused = { code: 'lms.refused', subject: 'full', course: COURSE } as const
  const named = [await fail(), await fail()]
  for (const reason of [missing(1), refused]) await fail(reason)
  await pass(1)
  const [, link = ''] = /2 deliveries need attention: .* See (\S+)/.exec(only(chat.texts)) ?? []
  const filter = filterOf(readQuery(new URL(link).searchParams), zoneOf('UTC'))
  const { items } = await operations.list({ filter })
  assert.deepEqual(items.map(({ id }) => id).sort(), named.sort())
})

test('without a console, the text names the command', async (t) => {
  const { chat, pass, fail } = await setUpNotifier(t, { console: null })
  await fail()
  await fail({ code: 'person.retired', subject: '' })
  await pass(1)
  const text = only(chat.texts)
  assert.match(text, /See: lernito-openedx deliveries list --course course-v1:edX\S+ --state needs_attention$/m)
  assert.match(text, /See: lernito-openedx deliveries list --state needs_attention$/m)
})

test('a delivery that an operator replayed before the look gives no text, and one that fails again gives one', async (t) => {
  const { chat, pass, fail, operations, clock } = await setUpNotifier(t)
  const id = await fail()
  clock.at += 5_000
  await operations.replay({ ids: [id], by: 'alice' })
  await pass(2)
  assert.deepEqual(chat.texts, [])
})

test('a delivery is counted once, even if something else happens to it later', async (t) => {
  const { chat, pass, fail, db, clock } = await setUpNotifier(t)
  const id = await fail()
  await pass(1)
  await db.updateTable('deliveries').set({ active_at: clock.at }).where('id', '=', id).execute()
  await pass(90)
  assert.equal(chat.texts.length, 1)
})

test('what came while notifications were off for more than a day is no news', async (t) => {
  const { chat, pass, fail, clock } = await setUpNotifier(t)
  await fail()
  clock.at += 25 * 3_600_000
  await fail(missing(1))
  await pass(1)
  assert.match(only(chat.texts), /^lernito-openedx: 1 delivery .* course-v1:edX\+C1/)
})

test('after the clock was set back, the next delivery still gives a text', async (t) => {
  const { chat, pass, fail, clock } = await setUpNotifier(t)
  await fail()
  await pass(1)
  clock.at -= 3 * 3_600_000
  await fail(missing(1))
  await pass(2)
  assert.match(chat.texts[1] ?? '', /course-v1:edX\+C1/)
})

test('a withdrawal that failed gives a text with a link to its delivery, and one that worked or was superseded none', async (t) => {
  const { chat, pass, fail, db, clock } = await setUpNotifier(t)
  const id = await fail()
  await pass(1)
  const [line] = await linesIn(db, id)
  assert.ok(line !== undefined)
  const order = {
    paid: false,
    hadBefore: false,
    by: 'shop',
    isRefund: true,
    requestedAt: 0,
    dueAt: null,
    endedAt: clock.at,
    attempts: 9,
  }
  const withdrawn = (n: number, message: string) => ({
    ...line,
    sent: `course-v1:A+B+${n}`,
    withdrawal: { id: `W${n}`, ...order, called: true, result: null, message },
  })
  const lines = [withdrawn(1, 'retries exhausted: the LMS answered 500'), withdrawn(2, '')]
  await db.transaction().execute((trx) => storeLines(trx, [{ id, lines }]))
  await pass(1)
  const link = `https://lms.example.com/lernito/console/deliveries/${id}`
  assert.equal(
    chat.texts[1],
    `lernito-openedx: a withdrawal failed, and the buyer may still be in a course. See ${link}`,
  )
  assert.equal((await db.selectFrom('notices').where('kind', '=', 'withdrawal').selectAll().execute())[0]?.count, 0)
})
