import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { describe, test } from 'node:test'
import { accepted, arrival, needsAttention, settled } from '../queue/harness.ts'
import { ROOT, run, start, temporaryFolder, until } from '../service/process.ts'
import { sell, serveEnv, startLms, startServe, storedDeliveries } from '../service/serving.ts'
import { inboxOf } from './inboxes.ts'

const EMAIL = 'ada@x.example'
const row = { email: EMAIL, auto_enroll: true }

const traceIn = (file: string, text: string): boolean =>
  ['', '-wal', '-shm'].some((end) => existsSync(file + end) && readFileSync(file + end).includes(text))

describe('forget', { concurrency: 2 }, () => {
  test('erases the person from the tables and the files; repeated, it has nothing to do, both with exit code 0', async (t) => {
    const { store, command, states, file } = await inboxOf(t)
    const webhook = arrival({ email: EMAIL, username: 'countess' })
    const [id = '', other = ''] = await store([accepted(webhook), accepted(arrival({ email: 'alan@x.example' }))])
    await store([settled(needsAttention(id))])
    assert.ok(traceIn(file, EMAIL))
    const { code, stdout, stderr } = await command('forget', '--yes', ` ${EMAIL.toUpperCase()} `)
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '1 delivery erased\n', stderr: '' })
    assert.deepEqual(await states(), { [other]: 'queued' })
    for (const text of [EMAIL, 'countess', webhook.digest]) assert.equal(traceIn(file, text), false, text)
    const again = await command('forget', '--yes', EMAIL, '--json')
    assert.equal(again.code, 0)
    assert.deepEqual(JSON.parse(again.stdout), { deliveries: 0, allowances: null, clean: true, failure: null })
  })

  test('--lms deletes the unused allowances, and no others', async (t) => {
    const lms = await startLms(t)
    const { command } = await inboxOf(t, { lmsUrl: lms.url })
    const [one, two, three] = [
      'course-v1:Lernito+PY101+2026',
      'course-v1:Lernito+Honor+2026',
      'course-v1:Lernito+Pro+2026',
    ]
    await lms.people({ email: EMAIL, username: 'ada', active: true })
    await lms.seed({
      allowances: [
        { ...row, course: one ?? '', used: false },
        { ...row, course: two ?? '', used: false },
        { ...row, course: three ?? '', used: true },
        { ...row, course: one ?? '', email: 'alan@x.example', used: false },
      ],
    })
    const { code, stdout } = await command('forget', '--yes', EMAIL, '--lms')
    assert.deepEqual({ code, stdout }, { code: 0, stdout: '0 deliveries erased\n2 unused allowances deleted\n' })
    const { allowances } = await lms.state()
    assert.deepEqual(
      allowances.map(({ email, course }) => [email, course]),
      [
        [EMAIL, three],
        ['alan@x.example', one],
      ],
    )
  })

  test('with a failing LMS, the person is erased and the exit code is 1; repeated, it deletes the allowances', async (t) => {
    const lms = await startLms(t)
    const { store, command, states } = await inboxOf(t, { lmsUrl: lms.url })
    const [id = ''] = await store([accepted(arrival({ email: EMAIL }))])
    await store([settled(needsAttention(id))])
    await lms.seed({ allowances: [{ ...row, course: 'course-v1:Lernito+PY101+2026', used: false }] })
    await lms.faults([{ path: '/api/enrollment/v1/enrollment_allowed/', status: 503 }])
    const failed = await command('forget', '--yes', EMAIL, '--lms')
    assert.equal(failed.code, 1)
    assert.match(
      failed.stdout,
      /^1 delivery erased\nThe allowances could not be deleted: .*503.* Repeat the command\.\n$/,
    )
    assert.deepEqual(await states(), {})
    await lms.noFaults()
    const { code, stdout } = await command('forget', '--yes', EMAIL, '--lms')
    assert.deepEqual({ code, stdout }, { code: 0, stdout: '0 deliveries erased\n1 unused allowance deleted\n' })
    assert.deepEqual((await lms.state()).allowances, [])
  })

  test('works beside a running service, which continues and leaves no trace either', async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startLms(t)
    const { url } = await startServe({ t, folder, lmsUrl: lms.url })
    const env = serveEnv({ folder, lmsUrl: lms.url })
    for (const email of [EMAIL, 'alan@x.example']) assert.equal((await sell({ url, email }))?.status, 200)
    const { code, stdout } = await run({ args: ['forget', '--yes', EMAIL, '--lms'], env })
    assert.deepEqual({ code, stdout }, { code: 0, stdout: '1 delivery erased\n1 unused allowance deleted\n' })
    assert.equal((await sell({ url, email: 'grace@x.example' }))?.status, 200)
    assert.equal(traceIn(`${folder}/lernito.db`, EMAIL), false)
    const left = await storedDeliveries(folder)
    assert.deepEqual(
      left.map(({ email }) => email),
      ['alan@x.example', 'grace@x.example'],
    )
  })

  test('rewrites a large file only with --compact; without it the exit code is 3', async (t) => {
    const { store, command, file } = await inboxOf(t)
    await store([accepted(arrival({ email: EMAIL }))])
    const filling = Buffer.alloc(1_000_000, `${EMAIL} `) // as a copy that was left in free space would be
    const others = Array.from({ length: 70 }, (_, i) => ({ ...arrival({ email: `p${i}@x.example` }), body: filling }))
    for (const one of others) await store([accepted(one)])
    const left = await command('forget', '--yes', EMAIL)
    assert.equal(left.code, 3)
    assert.match(left.stdout, /^1 delivery erased\nSome of it can still be read .*--compact\.\n$/)
    const before = readFileSync(file).length
    const { code } = await command('forget', '--yes', EMAIL, '--compact')
    assert.equal(code, 0)
    assert.ok(readFileSync(file).length <= before)
  })

  test('--dry-run says what there is to erase, and erases nothing', async (t) => {
    const lms = await startLms(t)
    const { store, command, states } = await inboxOf(t, { lmsUrl: lms.url })
    await store([accepted(arrival({ email: EMAIL })), accepted(arrival({ email: 'alan@x.example' }))])
    await lms.seed({ allowances: [{ ...row, course: 'course-v1:Lernito+PY101+2026', used: false }] })
    const before = await states()
    const { code, stdout } = await command('forget', EMAIL, '--lms', '--dry-run')
    assert.equal(stdout, '1 delivery and 1 unused allowance in the LMS would be erased.\n')
    assert.equal(code, 0)
    const json = await command('forget', EMAIL, '--dry-run', '--json')
    assert.deepEqual(JSON.parse(json.stdout), { deliveries: 1 })
    assert.deepEqual([await states(), (await lms.state()).allowances.length], [before, 1])
  })

  test('without a terminal and without --yes, it erases nothing and exits with 2', async (t) => {
    const { store, command, states } = await inboxOf(t)
    await store([accepted(arrival({ email: EMAIL }))])
    const { code, stdout, stderr } = await command('forget', EMAIL)
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
    assert.match(stderr, /nobody to ask\. Repeat it with --yes/)
    assert.equal(Object.keys(await states()).length, 1)
  })

  const script = spawnSync('script', ['--version']).error === undefined
  test('at a terminal, it says what it erases, and does so after y only', { skip: !script }, async (t) => {
    const { store, env, states } = await inboxOf(t)
    await store([accepted(arrival({ email: EMAIL }))])
    const command = ['script', '-qec', `"${process.execPath}" src/cli/main.ts forget ${EMAIL}`, '/dev/null'] as const
    const answer = async (text: string) => {
      const input = new PassThrough()
      const asking = start({ t, command, args: [], cwd: ROOT, env, input })
      await until('the question', () => asking.stdout().includes('[y/N]') || undefined)
      input.end(text)
      return asking.ended
    }
    const [ctrlC, ctrlD] = ['\u0003', '\u0004']
    for (const text of ['n\n', ctrlC, ctrlD]) {
      const no = await answer(text)
      assert.match(no.stdout, /1 delivery of ada@x\.example will be erased for good\. Continue\? \[y\/N\]/)
      assert.match(no.stdout, /\nNothing was erased\.\r\n$/)
      assert.deepEqual([no.code, Object.keys(await states()).length], [1, 1])
    }
    const yes = await answer('y\n')
    assert.deepEqual([yes.code, Object.keys(await states()).length], [0, 0])
  })

  test('wrong usage gets a message that names it and exit code 2', async (t) => {
    const { command } = await inboxOf(t)
    for (const args of [[], ['ada'], ['a@b', 'c@d'], ['a@b,c@d'], ['a b@c']]) {
      const { code, stdout, stderr } = await command('forget', ...args)
      assert.deepEqual({ code, stdout }, { code: 2, stdout: '' }, args.join(' '))
      assert.match(stderr, /one email address/)
    }
  })
})
