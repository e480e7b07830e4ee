import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { accepted, arrival, COURSE, needsAttention, rejectedArrival, settled, succeeded } from '../queue/harness.ts'
import { ROOT, run, start, temporaryFolder, until } from '../service/process.ts'
import { sell, serveEnv, startLms, startServe } from '../service/serving.ts'
import { inboxOf } from './inboxes.ts'

const line = z.looseObject({ id: z.string(), state: z.string(), email: z.string().nullable() })
const linesOf = (stdout: string) =>
  stdout
    .split('\n')
    .slice(0, -1)
    .map((text) => line.parse(JSON.parse(text)))
const person = (name: string) => accepted(arrival({ email: `${name}@x.example`, username: name }))

describe('deliveries list', { concurrency: 2 }, () => {
  test('prints a line for each delivery with its outcome, the most recently active first', async (t) => {
    const { store, command } = await inboxOf(t)
    const [ada = '', alan = ''] = await store([person('ada'), person('alan')])
    await store([settled(needsAttention(ada))])
    const { code, stdout, stderr } = await command('deliveries', 'list')
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '2 deliveries: 1 queued, 1 needs attention\n' })
    const [head, first, second, ...more] = stdout.split('\n')
    assert.match(head ?? '', /^ID +STATE +LAST ACTIVE +EMAIL +COURSES +OUTCOME$/)
    assert.match(first ?? '', new RegExp(`^${ada}  Needs attention  .{20}  ada@x.example .*The LMS has no course `))
    assert.match(second ?? '', new RegExp(`^${alan}  Queued .* Not enrolled yet\\. Due since `))
    assert.deepEqual(more, [''])
    await store([settled(succeeded(alan))])
    assert.match((await command('deliveries', 'list')).stdout, / In the course$/m, 'an outcome is no sentence')
  })

  test('searches and filters, and prints one JSON object per line', async (t) => {
    const { store, command } = await inboxOf(t)
    const [ada = '', alan = ''] = await store([person('ada'), person('alan'), accepted(rejectedArrival())])
    await store([settled(succeeded(ada))])
    const list = async (...args: string[]) => {
      const { code, stdout } = await command('deliveries', 'list', '--json', ...args)
      assert.equal(code, 0)
      return linesOf(stdout).map(({ id }) => id)
    }
    assert.deepEqual(await list('ada@x'), [ada])
    assert.deepEqual(await list('DemoX', 'x.example', 'alan'), [alan], 'parts as separate words, as in the console')
    assert.deepEqual(await list('--state', 'queued', '--state', 'enrolled'), [ada, alan])
    assert.deepEqual(await list('--course', COURSE, '--username', 'alan'), [alan])
    assert.deepEqual(await list('--since', '1h', '--email', 'alan@x.example'), [alan])
    assert.deepEqual(await list('--until', '2020-01-01'), [])
    for (const time of ['2020-01-31', '2020-01-31T18:00Z', '2020-01-31 18:00:00Z'])
      assert.deepEqual((await list('--since', time)).length, 3, time)
    assert.equal((await list('--limit', '2')).length, 2)
    assert.equal((await list('--all')).length, 3)
  })

  test('reads no further than its reader, so that a list of all is not in memory', async (t) => {
    const { store, env, command } = await inboxOf(t)
    const sold = Array.from({ length: 4000 }, (_, n) => person(`p${n}`))
    for (let from = 0; from < sold.length; from += 200) await store(sold.slice(from, from + 200))
    const { child, ended } = start({ t, args: ['deliveries', 'list', '--all', '--json'], env })
    const reader = child.stdout
    assert.ok(reader)
    await once(
      reader.once('data', () => reader.pause()),
      'pause',
    )
    assert.equal((await command('forget', 'p0@x.example', '--yes')).code, 0) // whose sale is on the last page
    reader.resume()
    const { code, stdout } = await ended
    assert.equal(code, 0)
    assert.equal(linesOf(stdout).length, sold.length - 1)
  })

  test('a time without a zone is in UTC, as every time that a command prints', async (t) => {
    const { store, env } = await inboxOf(t)
    await store([person('ada')])
    const at = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString().slice(0, 16)
    const args = ['deliveries', 'list', '--count', '--since', at(-1), '--until', at(1)]
    for (const TZ of ['America/New_York', 'Asia/Tokyo']) {
      assert.equal((await run({ args, env: { ...env, TZ } })).stdout, '1 delivery: 1 queued\n', TZ)
    }
  })

  test('counts all that match, in total and by state, also without listing them', async (t) => {
    const { store, command } = await inboxOf(t)
    const ids = await store(['ada', 'alan', 'bob'].map(person))
    await store([settled(needsAttention(ids[0] ?? ''))])
    const last = async (...args: string[]) => (await command('deliveries', 'list', ...args)).stdout.split('\n').at(-2)
    assert.equal(await last('--count', 'ada@x'), '1 delivery: 1 needs attention')
    assert.equal(await last('--count', '--state', 'queued', '--since', '1h'), '2 deliveries: 2 queued')
    assert.equal(await last('--count', '--course', COURSE), '3 deliveries: 2 queued, 1 needs attention')
    const json = JSON.parse((await last('--count', '--json')) ?? '')
    assert.deepEqual(json, { total: 3, states: { queued: 2, needs_attention: 1 } })
    assert.equal(await last('--count', '--until', '2020-01-01'), '0 deliveries')
    await store(ids.slice(1).map((id) => settled(succeeded(id, 'allowed'))))
    assert.equal(await last('--count'), '3 deliveries: 2 waiting for buyers, 1 needs attention')
    assert.equal(await last('--count', 'alan@x'), '1 delivery: 1 waiting for the buyer')
  })

  test('says if it found nothing, or how many there are beside those that it shows', async (t) => {
    const { store, command } = await inboxOf(t)
    assert.equal((await command('deliveries', 'list', 'nobody')).stderr, 'No delivery found.\n')
    await store([person('ada'), person('alan')])
    const { stderr } = await command('deliveries', 'list', '--limit', '1')
    assert.equal(stderr, 'Showing 1 of 2 deliveries: 2 queued\nFor more, use --limit N or --all.\n')
  })

  test('text from a sender cannot control the terminal', async (t) => {
    const { store, command } = await inboxOf(t)
    const evil = arrival({ email: 'a@x.example', username: 'a', courseIds: ['\u001b[2J\u202eedX\nforged'] })
    const [id = ''] = await store([accepted(evil)])
    for (const args of [['list'], ['list', '--json'], ['show', id], ['show', id, '--json']]) {
      const { stdout } = await command('deliveries', ...args)
      assert.ok(stdout.includes('forged'))
      assert.doesNotMatch(stdout, /[^\P{Cc}\n]|\p{Cf}|^forged/mu, args.join(' '))
    }
  })

  test('wrong usage gets a message that names it and exit code 2', async (t) => {
    const { command } = await inboxOf(t)
    for (const [args, said] of [
      [[], /deliveries needs a subcommand: /],
      [['list', '--state', 'done'], /--state must be one of queued, .*, not done\./],
      [['list', '--since', 'yesterday'], /--since yesterday/],
      [['list', '--since', '2026-02-31'], /--since 2026-02-31 is not valid/],
      [['list', '--until', '2026-01-31 or later'], /--until 2026-01-31 or later is not valid/],
      [['list', '--limit', '0'], /--limit 0/],
      [['list', '--limit', '5', '--all'], /contradict/],
      [['show'], /one ID/],
      [['replay'], /IDs, or a filter/],
      [['replay', 'X', '--state', 'queued'], /IDs, or a filter/],
      [['replay', 'X', '--dry-run'], /need a filter, not IDs/],
      [['replay', '--state', 'enrolled'], /starts enrolled and pre-enrolled deliveries only with --enrolled/],
      [['replay', '--state', 'queued', '--state', 'pre_enrolled', '--dry-run'], /only with --enrolled/],
      [['replay', '--ended', '--since', '7d'], /only with --enrolled/],
    ] as const) {
      const { code, stdout, stderr } = await command('deliveries', ...args)
      assert.deepEqual({ code, stdout }, { code: 2, stdout: '' }, args.join(' '))
      assert.match(stderr, said)
    }
  })
})

describe('a database that does not exist, or is not up to date', { concurrency: 2 }, () => {
  test('without a file, the command names the path, creates no file, and exits with 1', async (t) => {
    const folder = temporaryFolder(t)
    const env = serveEnv({ folder, lmsUrl: 'http://127.0.0.1:9' })
    for (const args of [
      ['deliveries', 'list'],
      ['forget', 'ada@x.example', '--yes'],
    ]) {
      const { code, stdout, stderr } = await run({ args, env })
      assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
      assert.match(stderr, new RegExp(`${join(folder, 'lernito.db')}.* LERNITO_DATABASE_URL`))
    }
    assert.equal(existsSync(join(folder, 'lernito.db')), false)
  })
})

test('without its server, a command leads to doctor, and not to a disk or a user', async () => {
  const env = {
    ...serveEnv({ folder: tmpdir(), lmsUrl: 'http://127.0.0.1:9' }),
    LERNITO_DATABASE_URL: 'mysql://u:p@127.0.0.1:9/lernito',
  }
  const { code, stderr } = await run({ args: ['deliveries', 'list'], env })
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^The database lernito at 127\.0\.0\.1:9 can't be used: .*ECONNREFUSED.* Run lernito-openedx doctor, which says what to do\.$/m,
  )
  assert.doesNotMatch(stderr, /disk/)
})

const STRANGER = 54_321
/** A command as a user without a name, as a container may have. Only root can become one. */
const asStranger = (args: string[], env: Record<string, string>) => {
  const become = ['setpriv', `--reuid=${STRANGER}`, `--regid=${STRANGER}`, '--clear-groups'] as const
  const command = [...become, process.execPath, join(ROOT, 'src/cli/main.ts')] as const
  return run({ command, args, env: { ...env, NODE_COMPILE_CACHE: '' } })
}

describe('another user', { skip: process.getuid?.() !== 0 }, () => {
  test('who may not use the database is told to be the user of the service', async (t) => {
    const { env, folder } = await inboxOf(t)
    chmodSync(folder, 0o755)
    const { code, stdout, stderr } = await asStranger(['deliveries', 'list'], env)
    assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
    assert.match(
      stderr,
      /^The database .* can't be used: .*\. Remove that cause, run the command as the user of the service, or /,
    )
  })

  test('who has no name on this machine is stored by the number', async (t) => {
    const { env, folder, store, command } = await inboxOf(t)
    const [id = ''] = await store([person('ada')])
    await store([settled(needsAttention(id))])
    for (const path of [folder, ...readdirSync(folder).map((name) => join(folder, name))]) {
      chownSync(path, STRANGER, STRANGER)
    }
    const { code, stdout, stderr } = await asStranger(['deliveries', 'replay', id], env)
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: `${id} is due\n`, stderr: '' })
    assert.match((await command('deliveries', 'show', id)).stdout, /by user 54321 \(command line\)$/m)
  })
})

describe('deliveries show', () => {
  test('says of a sale that waits for the LMS why it waits, and since when', async (t) => {
    const { store, command, file } = await inboxOf(t)
    const [waits = '', done = ''] = await store([person('ada'), person('bob')])
    await store([settled(succeeded(done))])
    const shown = async (id: string) => (await command('deliveries', 'show', id)).stdout
    assert.doesNotMatch(await shown(waits), /^waits/m)
    const database = new DatabaseSync(file)
    const at = Date.UTC(2026, 10, 24, 12)
    database
      .prepare("insert into incidents values ('INCIDENT', 'misconfigured', 'misconfigured', 'not staff', ?, ?, null)")
      .run(at, at)
    database.close()
    assert.match(await shown(waits), /^waits +LMS misconfigured since 2026-11-24 12:00:00Z: not staff$/m)
    assert.doesNotMatch(await shown(done), /^waits/m)
  })

  test('prints the payload, the outcome and the timeline, with --json too', async (t) => {
    const { store, command } = await inboxOf(t)
    const [id = ''] = await store([person('ada')])
    await store([settled(succeeded(id))])
    const { code, stdout, stderr } = await command('deliveries', 'show', id.toLowerCase().slice(0, 20))
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    for (const said of [
      /^state +Enrolled$/m,
      /^now +In the course\. You don’t need to do anything\.$/m,
      /^payload +\{"email":"ada@x/m,
      /Z {2}Received +signed text: sorted keys, no spaces, .* \(original\)/,
      /Z {2}Enrolled {2}/,
    ]) {
      assert.match(stdout, said)
    }
    const shown = z
      .object({ id: z.string(), body: z.string(), timeline: z.array(z.object({ kind: z.string() })) })
      .parse(JSON.parse((await command('deliveries', 'show', id, '--json')).stdout))
    assert.deepEqual([shown.id, JSON.parse(shown.body).email], [id, 'ada@x.example'])
    assert.deepEqual(
      shown.timeline.map(({ kind }) => kind),
      ['received', 'enrolled'],
    )
  })

  test('says since when a sale is due whose time has passed, as in an outage', async (t) => {
    const { store, command } = await inboxOf(t)
    const [id = ''] = await store([person('ada')])
    assert.match((await command('deliveries', 'show', id)).stdout, /^due since +20/m)
  })

  test('--json has times as ISO 8601, and nothing that only the service uses', async (t) => {
    const { store, command } = await inboxOf(t)
    const [id = ''] = await store([person('ada')])
    const shown = JSON.parse((await command('deliveries', 'show', id, '--json')).stdout)
    const iso = /^20\d\d-\d\d-\d\dT[\d:.]+Z$/
    for (const time of [shown.receivedAt, shown.activeAt, shown.timeline[0].at]) assert.match(time, iso)
    const internal = ['digest', 'person', 'generation', 'effectUnknown', 'lastEvent', 'home', 'owner']
    assert.deepEqual(
      Object.keys(shown).filter((name) => internal.includes(name)),
      [],
    )
    const [listed] = linesOf((await command('deliveries', 'list', '--json')).stdout)
    assert.match(String(listed?.receivedAt), iso)
    const preview = JSON.parse((await command('deliveries', 'replay', '--all', '--dry-run', '--json')).stdout)
    assert.deepEqual(preview.sample, [listed])
  })

  test('the beginning of an id is enough if no other delivery has it', async (t) => {
    const { store, command } = await inboxOf(t)
    const [ada = '', alan = ''] = await store([person('ada'), person('alan')])
    const { code, stdout, stderr } = await command('deliveries', 'show', ada.slice(0, 4), '--json')
    assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
    const { error } = JSON.parse(stderr)
    assert.equal(error.code, 'delivery.ambiguous')
    assert.ok(error.message.includes(`${ada}, ${alan}`), error.message)
    let same = 0
    while (ada[same] === alan[same]) same++
    const prefix = ada.slice(0, same + 1)
    assert.match((await command('deliveries', 'show', prefix)).stdout, new RegExp(`^delivery +${ada}$`, 'm'))
    assert.equal((await command('deliveries', 'replay', prefix)).stdout, `${ada} is due\n`)
    const both = await command('deliveries', 'replay', ada.slice(0, 4), alan)
    assert.deepEqual([both.code, both.stdout], [1, ''])
  })

  test('an unknown id gets exit code 1 and a hint how to find the right one', async (t) => {
    const { command } = await inboxOf(t)
    const { code, stdout, stderr } = await command('deliveries', 'show', 'X')
    assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
    assert.match(stderr, /no delivery X.*deliveries list/)
  })
})

describe('deliveries replay', { concurrency: 2 }, () => {
  test('makes named deliveries due; says why for each that it can’t, with exit code 1', async (t) => {
    const { store, command, states } = await inboxOf(t)
    const [ada = '', wrong = ''] = await store([person('ada'), accepted(rejectedArrival())])
    await store([settled(needsAttention(ada))])
    const all = await command('deliveries', 'replay', ada, wrong, 'x')
    assert.deepEqual([all.code, all.stdout], [1, `${ada} is due\n`])
    assert.match(
      all.stderr,
      new RegExp(`^There is no delivery x\\. Find it with: .*\\n${wrong} was rejected for its payload.*\\n$`),
    )
    assert.deepEqual(await states(), { [ada]: 'queued', [wrong]: 'rejected' })
    const one = await command('deliveries', 'replay', ada, '--json')
    assert.deepEqual([one.code, JSON.parse(one.stdout)], [0, { due: [ada], left: [] }])
    const { stdout } = await command('deliveries', 'show', ada)
    assert.match(stdout, /Replayed +by \S+ \(command line\)$/m)
  })

  test('leaves what was handled or withdrawn, unless --reopen says that the buyer may come back', async (t) => {
    const { store, command, states, file } = await inboxOf(t)
    const [ada = ''] = await store([person('ada')])
    const db = new DatabaseSync(file)
    db.exec("update deliveries set state = 'handled', due_at = null")
    db.close()
    const { code, stdout, stderr } = await command('deliveries', 'replay', ada)
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, new RegExp(`^${ada} was handled, withdrawn or refunded, .* add --reopen\\n$`))
    assert.deepEqual(await states(), { [ada]: 'handled' })
    assert.equal((await command('deliveries', 'replay', ada, '--reopen')).code, 0)
    assert.deepEqual(await states(), { [ada]: 'queued' })
  })

  test('makes the matches of a filter due, except those that succeeded; --dry-run only lists them', async (t) => {
    const { store, command, states } = await inboxOf(t)
    const names = Array.from({ length: 250 }, (_, i) => `p${i}`)
    const ids = await store(names.map(person))
    await store(ids.map((id, i) => settled(i < 230 ? needsAttention(id) : succeeded(id))))
    const dry = await command('deliveries', 'replay', '--all', '--dry-run')
    assert.match(
      dry.stdout,
      /^230 can be replayed, for example:\n(\w{26} {2}Needs attention {2}p\d+@x\.example\n){10}$/,
    )
    const few = await command('deliveries', 'replay', '--email', 'p1@x.example', '--dry-run')
    assert.match(few.stdout, /^1 can be replayed:\n\w{26} {2}Needs attention {2}p1@x\.example\n$/, 'it lists all')
    await store([accepted(rejectedArrival())])
    const withRejected = await command('deliveries', 'replay', '--all', '--dry-run')
    assert.match(
      withRejected.stdout,
      /^231 selected: 1 was rejected for its payload, 230 can be replayed, for example:\n/,
    )
    const none = await command('deliveries', 'replay', '--state', 'rejected')
    assert.equal(none.stdout, '0 due: 1 was rejected for its payload\n')
    const { code, stdout, stderr } = await command('deliveries', 'replay', '--course', COURSE)
    assert.deepEqual([code, stdout], [0, '230 due\n'])
    assert.equal(stderr, '200 of 230\n230 of 230\n')
    const counts = Object.values(await states()).filter((state) => state === 'queued').length
    assert.equal(counts, 230)
    const again = await command('deliveries', 'replay', '--state', 'enrolled', '--enrolled', '--json')
    const result = z.object({ state: z.string(), replayed: z.number() }).parse(JSON.parse(again.stdout))
    assert.deepEqual(result, { state: 'done', replayed: 20 })
  })

  test('Ctrl-C stops it: deliveries that are due stay due, the rest is unchanged', async (t) => {
    const { store, env, states } = await inboxOf(t)
    // Two groups: one statement of SQLite takes 32,766 values.
    const sales = Array.from({ length: 1000 }, (_, i) => person(`p${i}`))
    const ids = [...(await store(sales.slice(0, 500))), ...(await store(sales.slice(500)))]
    await store(ids.map((id) => settled(needsAttention(id))))
    const running = start({ t, args: ['deliveries', 'replay', '--all'], env })
    running.child.stderr?.once('data', () => running.child.kill('SIGINT'))
    const { code, stdout } = await running.ended
    assert.equal(code, 1)
    const [, due = ''] = /^(\d+) due; stopped\n$/.exec(stdout) ?? []
    const waiting = Object.values(await states()).filter((state) => state === 'queued').length
    assert.equal(waiting, Number(due))
    assert.ok(waiting >= 200 && waiting < 1000, `${waiting}`)
  })

  test('killed midway, it is finished by the next service, and each delivery is replayed once', async (t) => {
    const lms = await startLms(t)
    const { store, env, folder } = await inboxOf(t, { lmsUrl: lms.url })
    const ids = await store(Array.from({ length: 700 }, (_, i) => person(`p${i}`)))
    await store(ids.map((id) => settled(needsAttention(id))))
    const running = start({ t, args: ['deliveries', 'replay', '--all'], env })
    running.child.stderr?.once('data', () => running.child.kill('SIGKILL'))
    assert.equal((await running.ended).signal, 'SIGKILL')
    await lms.faults([{ method: 'POST', status: 503 }]) // so that they wait, and keep their place in the queue
    await startServe({ t, folder, lmsUrl: lms.url })
    const db = new DatabaseSync(join(folder, 'lernito.db'))
    t.after(() => db.close())
    const one = (sql: string): unknown => Object.values(db.prepare(sql).get() ?? {})[0]
    await until('the end of the bulk replay', async () =>
      one("select count(*) from bulk_replays where state = 'done'") === 1 ? true : undefined,
    )
    assert.equal(one('select replayed from bulk_replays'), 700)
    const twice =
      "select count(*) from (select 1 from events where kind = 'replayed' group by delivery_id having count(*) > 1)"
    assert.deepEqual([one("select count(*) from events where kind = 'replayed'"), one(twice)], [700, 0])
  })

  test('a running service attempts a replayed delivery within a second', async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startLms(t, { bulk: false, modify: false })
    const full = 'course-v1:Lernito+Full+2026'
    const { url } = await startServe({ t, folder, lmsUrl: lms.url })
    assert.equal((await sell({ url, email: 'grace@example.com', courseIds: [full] }))?.status, 400)
    // In the LMS, another learner gives their place back.
    await lms.seed({ enrollments: [{ email: 'heidi@example.com', course: full, mode: 'audit', active: false }] })
    const env = serveEnv({ folder, lmsUrl: lms.url })
    const [found] = linesOf((await run({ args: ['deliveries', 'list', '--json'], env })).stdout)
    assert.equal(found?.state, 'needs_attention')
    assert.equal((await run({ args: ['deliveries', 'replay', found?.id ?? ''], env })).code, 0)
    const began = performance.now()
    await until('the enrollment', async () => {
      const { enrollments } = await lms.state()
      return enrollments.find(({ email, course, active }) => email === 'grace@example.com' && course === full && active)
    })
    assert.ok(performance.now() - began < 2000, `${performance.now() - began} ms`)
  })
})
