import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createVisitor } from '../console/visitor.ts'
import { control, DEMO, exchange, SECRET } from '../harness.ts'
import { ROOT, type Running, run, start, temporaryFolder, until } from '../service/process.ts'
import { startLms } from '../service/serving.ts'
import { runShared } from './commands.ts'

const FREE_PORTS = ['--port', '0', '--service-port', '0']

/** The welcome text, once it is complete. */
const welcomeOf = ({ stdout }: Running): Promise<string> =>
  until('the welcome', () => stdout().match(/^lernito-openedx is running.*^Ctrl\+C [^\n]*$/ms)?.[0])

const lmsOf = (welcome: string): string => welcome.match(/^ *Stand-in LMS +(http:\S+)\/$/m)?.[1] ?? ''

describe('sandbox', { concurrency: 2 }, () => {
  test('the commands that it prints, run as they are, enroll alice, allow a newcomer and list both; doctor works too', async (t) => {
    const running = start({ t, args: ['sandbox', ...FREE_PORTS], env: { TMPDIR: temporaryFolder(t) } })
    const welcome = await welcomeOf(running)
    const webhook = welcome.match(/^ *Webhook +(http:\S+)$/m)?.[1] ?? ''
    assert.equal((await exchange({ url: webhook })).status, 415)
    const [source = ''] = welcome.match(/^ {2}\. .*$/m) ?? []
    const commands = [...welcome.matchAll(/^ {2}npx (?:.*\\\n)*.*$/gm)].map(([command]) => command)
    assert.equal(commands.length, 3)
    const npm = { npm_config_cache: temporaryFolder(t), npm_config_offline: 'true' }
    const follow = (command: string) =>
      run({ command: ['sh', '-c'], args: [`${source}\n${command}`], cwd: ROOT, env: npm })
    const [sellAlice = '', sellNewcomer = '', list = ''] = commands
    for (const sale of [sellAlice, sellNewcomer]) {
      const { code, stdout } = await follow(sale)
      assert.deepEqual([code, stdout.slice(0, 7)], [0, '200 OK\n'])
    }
    const listed = await follow(list)
    assert.match(listed.stdout, /newcomer@example\.com .*\n.*alice@example\.com .*\n$/)
    assert.match(listed.stderr, /^2 deliveries: /)
    const checked = await follow('npx lernito-openedx doctor')
    assert.equal(checked.code, 0, checked.stdout)
    const { enrollments, allowances } = await control(lmsOf(welcome)).state()
    assert.ok(
      enrollments.some(({ email, course, active }) => email === 'alice@example.com' && course === DEMO && active),
    )
    assert.deepEqual(allowances, [{ email: 'newcomer@example.com', course: DEMO, auto_enroll: true, used: false }])

    running.child.kill('SIGTERM')
    const { code, stdout, stderr } = await running.ended
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    assert.ok(stdout.startsWith(`\n${welcome}`), 'no line of the log precedes the welcome')
    const others = stdout
      .split(welcome)
      .join('')
      .split('\n')
      .filter((line) => line.trim() !== '')
    assert.deepEqual(
      others.map((line) => JSON.stringify(JSON.parse(line))),
      others,
    )
    assert.ok(running.log().some(({ event }) => event === 'enrolled'))
  })

  test('the console is on, and the printed account signs in and sees the sales', async (t) => {
    const running = start({ t, args: ['sandbox', ...FREE_PORTS], env: { TMPDIR: temporaryFolder(t) } })
    const welcome = await welcomeOf(running)
    const page = welcome.match(/^ *Console +(http:\S+)$/m)?.[1] ?? ''
    const [, login = '', password = ''] = welcome.match(/and sign in as (\S+) with the password (\S+)$/m) ?? []
    const visitor = createVisitor()
    const begun = await visitor.get(new URL((await visitor.get(page)).location, page).href)
    await visitor.post(`${lmsOf(welcome)}/login`, { login, password })
    const back = await visitor.get((await visitor.get(begun.location)).location)
    assert.deepEqual([back.status, back.location], [303, '/lernito/console/'])
    assert.match((await visitor.get(page)).text, /The service has received no webhook yet/)
  })

  test('starts among the settings of an installation, of which it uses neither files nor addresses', async (t) => {
    const cwd = temporaryFolder(t)
    writeFileSync(join(cwd, 'secret'), `${SECRET}\n`)
    const running = start({
      t,
      args: ['sandbox', ...FREE_PORTS],
      cwd,
      env: {
        TMPDIR: temporaryFolder(t),
        LERNITO_WEBHOOK_SECRET_FILE: 'secret',
        LERNITO_LMS_CLIENT_SECRET_FILE: 'secret',
        LERNITO_DATABASE_CA_FILE: 'ca.pem',
        LERNITO_EVENTS_URL: 'https://shop.example.com/',
        LERNITO_EVENTS_SECRET_FILE: 'secret',
        LERNITO_OUTCOMES: 'on',
        LERNITO_NOTIFY_URL_FILE: 'secret',
      },
    })
    const webhook = (await welcomeOf(running)).match(/^ *Webhook +(http:\S+)$/m)?.[1] ?? ''
    const args = ['send', '--url', webhook, '--email', 'alice@example.com', '--course', DEMO]
    assert.equal((await run({ args, env: { LERNITO_WEBHOOK_SECRET: SECRET } })).code, 0)
  })

  test('uses LERNITO_WEBHOOK_SECRET, and does not print it', async (t) => {
    const env = { LERNITO_WEBHOOK_SECRET: SECRET, TMPDIR: temporaryFolder(t) }
    const running = start({ t, args: ['sandbox', ...FREE_PORTS], env })
    const webhook = (await welcomeOf(running)).match(/^ *Webhook +(http:\S+)$/m)?.[1] ?? ''
    const args = ['send', '--url', webhook, '--email', 'alice@example.com', '--course', DEMO]
    assert.equal((await run({ args, env })).code, 0)
    assert.ok(!running.stdout().includes(SECRET))
  })

  test('--data keeps the database there; without it, nothing is kept, whatever LERNITO_DRAIN_MS says', async (t) => {
    const [data, temporary] = [temporaryFolder(t), temporaryFolder(t)]
    for (const args of [['--data', data], []]) {
      const env = { TMPDIR: temporary, LERNITO_DRAIN_MS: '10000' }
      const running = start({ t, args: ['sandbox', ...FREE_PORTS, ...args], env })
      await welcomeOf(running)
      assert.equal(readdirSync(temporary).length, args.length === 0 ? 1 : 0)
      running.child.kill('SIGINT')
      assert.equal((await running.ended).code, 0)
      assert.deepEqual(readdirSync(temporary), [])
    }
    assert.ok(existsSync(join(data, 'lernito.db')))
  })

  test('--lms-only runs only the stand-in, with the world of --world and, with --bulk off, without bulk_enroll', async (t) => {
    const cwd = temporaryFolder(t)
    const course = { id: 'course-v1:My+Own+Course', name: 'My own' }
    const world = { applications: [], people: [], courses: [course], password_of_people: 'secret' }
    writeFileSync(join(cwd, 'world.json'), JSON.stringify(world))
    const args = ['sandbox', '--lms-only', '--port', '0', '--bulk', 'off', '--world', 'world.json']
    const running = start({ t, args, cwd })
    const url = await until('the address', () => running.stdout().match(/^The stand-in LMS is at (http:\S+)\/$/m)?.[1])
    assert.deepEqual(await control(url).state(), { enrollments: [], allowances: [] })
    assert.equal((await exchange({ url: `${url}/api/bulk_enroll/v1/bulk_enroll` })).status, 404)
    running.child.kill('SIGTERM')
    assert.equal((await running.ended).code, 0)
    assert.equal(running.stdout(), `The stand-in LMS is at ${url}/\n`)
  })

  const wrong: Record<string, string> = {
    '--port': 'http',
    '--service-port': '65536',
    '--throttle': 'fast',
    '--bulk': 'yes',
    '--cost': 'high',
    '--events': 'localhost:8792',
  }
  for (const [option, value] of Object.entries(wrong)) {
    test(`${option} ${value} gets one line that names the option, and exit code 2`, async () => {
      const { code, stdout, stderr } = await runShared({ args: ['sandbox', ...FREE_PORTS, option, value], env: {} })
      assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
      assert.match(stderr, new RegExp(`^${option} [^\n]+\n$`))
    })
  }

  test('a world that is missing, not JSON, wrong or without an application gets one line that says where, and exit code 1', async (t) => {
    const [cwd, temporary] = [temporaryFolder(t), temporaryFolder(t)]
    writeFileSync(join(cwd, 'text.json'), 'nonsense')
    writeFileSync(join(cwd, 'wrong.json'), '{"applications": [], "people": [{"username": "a"}]}')
    const empty = { applications: [], people: [], courses: [], password_of_people: 'secret' }
    writeFileSync(join(cwd, 'empty.json'), JSON.stringify(empty))
    const says = {
      'empty.json': /needs an application .*--lms-only/,
      'none.json': /none\.json: ENOENT: no such file or directory/,
      'text.json': /text\.json: /,
      'wrong.json': /people\.0\.email/,
    }
    for (const [file, words] of Object.entries(says)) {
      const args = ['sandbox', ...FREE_PORTS, '--world', file]
      const { code, stdout, stderr } = await run({ args, cwd, env: { TMPDIR: temporary } })
      assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
      assert.match(stderr, words)
      assert.match(stderr, /^[^\n]+\n$/)
      assert.deepEqual(readdirSync(temporary), [])
    }
  })

  test('a port in use gets one line that says what to do and names the option, and exit code 1', async (t) => {
    const { port } = new URL((await startLms(t)).url)
    for (const option of ['--port', '--service-port']) {
      const { code, stderr } = await run({ args: ['sandbox', ...FREE_PORTS, option, port] })
      assert.equal(code, 1)
      assert.match(stderr, /^[^\n]+\n$/)
      assert.ok(stderr.includes(`:${port})`) && stderr.endsWith(`choose another port with ${option}.\n`), stderr)
    }
  })
})
