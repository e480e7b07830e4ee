import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { z } from 'zod'
import { watchLog } from '../log-watch.ts'
import { openFolder } from '../package/installing.ts'
import { ROOT } from '../service/process.ts'
import { sell, serveEnv } from '../service/serving.ts'
import { docker, inspect, portOf, RUN, remove, shell, skipWithoutEngine, untilHealth, within } from './docker.ts'
import { dockerGuide } from './guide.ts'
import { startLmsContainers } from './lms.ts'

const NETWORK = `${RUN}-network`
const names = { container: `${RUN}-service`, image: `${RUN}-image`, volume: `${RUN}-data` }
const { container, image, volume } = names
const guide = dockerGuide(names)

describe('the image', { skip: skipWithoutEngine }, () => {
  let lms: Awaited<ReturnType<typeof startLmsContainers>>
  const { folder, remove: removeFolder } = openFolder('lernito-image-')
  /** Runs lines of a guide, beside the file settings.env. */
  const inFolder = (lines: string): Promise<string> => shell(lines, { cwd: folder })

  const logged: string[] = []
  const keepLog = async (): Promise<unknown> => logged.push(...(await docker(['logs', container])).split('\n'))

  before(async () => {
    await docker(['network', 'create', NETWORK])
    // With BuildKit. Compose builds it in another file of tests: without BuildKit, unless it has the plugin buildx.
    await shell(guide.build, { cwd: ROOT, env: { DOCKER_BUILDKIT: '1' } })
    lms = await startLmsContainers({ name: RUN, image, network: NETWORK })
    // The database is the image's own choice.
    const { LERNITO_DATABASE_URL: _, LERNITO_PORT: __, ...env } = serveEnv({ folder: 'unused', lmsUrl: 'http://lms' })
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value}\n`)
    writeFileSync(join(folder, 'settings.env'), settings.join(''))
    watchLog({ lines: () => logged, env })
  })
  after(async () => {
    removeFolder()
    await keepLog()
    const containers = [container, ...lms.containers]
    await remove({ containers, volumes: [volume], networks: [NETWORK], images: [image] })
  })

  /** Starts the service with the guide's command, a free port, and more options. Returns its address. */
  const run = async (...options: readonly string[]): Promise<string> => {
    const more = ['--network', NETWORK, '--health-interval', '1s', '--health-timeout', '2s', ...options].join(' ')
    await inFolder(guide.run.replace('docker run ', `docker run ${more} `).replace('127.0.0.1:8790:', '127.0.0.1::'))
    return addressed()
  }
  /** Waits until the service is ready. Returns its address. */
  const addressed = async (): Promise<string> => {
    const url = `http://127.0.0.1:${await portOf(container, 8790)}`
    return within(30, 'the service', async () => ((await fetch(`${url}/readyz`)).ok ? url : undefined))
  }
  const listed = (): Promise<string> => docker(['exec', container, 'lernito-openedx', 'deliveries', 'list', '--all'])

  test('from a read-only root file system and with few resources, it becomes healthy and enrolls', async (t) => {
    const began = performance.now()
    const url = await run('--memory', '256m', '--pids-limit', '64', '--cap-drop', 'ALL')
    const bytes = Number(await docker(['image', 'inspect', image, '--format', '{{.Size}}']))
    t.diagnostic(`ready ${Math.round(performance.now() - began)} ms after docker run, ${Math.round(bytes / 1e6)} MB`)
    await untilHealth(container, 'healthy')
    assert.equal((await sell({ url, email: 'alice@example.com' }))?.status, 200)
    const { enrollments } = await lms.state()
    assert.ok(enrollments.some(({ email, active }) => email === 'alice@example.com' && active))
    await inFolder(guide.doctor)
  })

  test('it runs as user 1000, and writes to /data only', async () => {
    assert.equal(await docker(['exec', container, 'id', '-u']), '1000')
    assert.equal(await docker(['diff', container]), '')
    await assert.rejects(docker(['exec', container, 'touch', '/app/file']), /Read-only file system/)
    assert.match(await docker(['exec', container, 'ls', '/data']), /^lernito\.db$/m)
  })

  test('it has the built code and production packages, and no source, test or tool', async () => {
    const inside = async (...command: string[]) => (await docker(['exec', container, ...command])).split('\n')
    assert.deepEqual(await inside('ls', '-A', '/app'), ['bin', 'dist', 'node_modules', 'package.json'])
    const folders = await inside('find', '/app/node_modules', '-mindepth', '1', '-maxdepth', '2', '-type', 'd')
    const isInstalled = (name: string): boolean => folders.includes(`/app/node_modules/${name}`)
    const names = z.record(z.string(), z.string()).transform((versions) => Object.keys(versions))
    const { dependencies, devDependencies } = z
      .object({ dependencies: names, devDependencies: names })
      .parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')))
    assert.deepEqual(dependencies.filter(isInstalled), dependencies)
    // mysql2 needs @types/node.
    assert.deepEqual(devDependencies.filter(isInstalled), ['@types/node'])
    assert.deepEqual(await inside('find', '/app/node_modules', '-name', '*.ts', '-o', '-name', '*.map'), [''])
  })

  test('frozen, it becomes unhealthy, and healthy again when it continues', async () => {
    await docker(['kill', '--signal', 'STOP', container])
    await untilHealth(container, 'unhealthy')
    await docker(['kill', '--signal', 'CONT', container])
    await untilHealth(container, 'healthy')
  })

  test('the guide’s backup and restore bring back the deliveries, and no later ones', async () => {
    await inFolder(guide.backup)
    assert.equal((await sell({ url: await addressed(), email: 'late@example.com' }))?.status, 200)
    assert.match(await listed(), /late@/)
    await inFolder(guide.restore)
    const stdout = await inFolder(guide.list)
    assert.deepEqual([stdout.includes('alice@'), stdout.includes('late@')], [true, false])
    await docker(['start', container])
    assert.equal((await sell({ url: await addressed(), email: 'late@example.com' }))?.status, 200)
  })

  /** Stops it with SIGTERM, and checks that it ends with code 0 and before Docker kills it. */
  const stop = async (t: TestContext): Promise<void> => {
    const memory = await docker(['stats', '--no-stream', '--format', '{{.MemUsage}}', container])
    const began = performance.now()
    await docker(['stop', container])
    const took = performance.now() - began
    t.diagnostic(`docker stop took ${Math.round(took)} ms; it used ${memory}`)
    const { ExitCode, OOMKilled } = await inspect(container)
    assert.deepEqual({ ExitCode, OOMKilled }, { ExitCode: 0, OOMKilled: false })
    assert.ok(took < 15_000, `${took} ms`)
  }

  test('while the LMS hangs, docker stop ends it in its grace, and the next start enrolls the sale', async (t) => {
    await lms.faults([{ delayMs: 60_000 }])
    const selling = sell({ url: await addressed(), email: 'slow@example.com' })
    await within(30, 'the sale', async () => (await listed()).includes('slow@') || undefined)
    await stop(t)
    assert.equal((await selling)?.status, 500)
    await lms.noFaults()
    await docker(['start', container])
    await addressed()
    await within(60, 'its enrollment', async () => {
      return (await lms.state()).allowances.some(({ email }) => email === 'slow@example.com') || undefined
    })
  })

  test('docker stop ends it with code 0, long before Docker would kill it', stop)

  test('the deliveries in /data are there in a new container, after the guide’s upgrade', async () => {
    await keepLog()
    await inFolder(guide.stopForUpgrade)
    await run()
    assert.match(await listed(), /alice@/)
  })
})
