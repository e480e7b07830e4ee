import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openFolder } from '../package/installing.ts'
import { ROOT } from '../service/process.ts'
import { sell, serveEnv } from '../service/serving.ts'
import { docker, inspect, portOf, RUN, remove, skipWithoutEngine, untilHealth, within } from './docker.ts'
import { startLmsContainers } from './lms.ts'

const IMAGE = `${RUN}-image`
const [NETWORK, VOLUME, SERVICE] = [`${RUN}-network`, `${RUN}-data`, `${RUN}-service`]

describe('the image', { skip: skipWithoutEngine }, () => {
  let lms: Awaited<ReturnType<typeof startLmsContainers>>
  const { folder, remove: removeFolder } = openFolder('lernito-settings-')
  const settings = join(folder, 'settings.env')

  before(async () => {
    await docker(['network', 'create', NETWORK])
    // Compose builds in the other test, without BuildKit where it has no buildx.
    const build = ['build', '--quiet', '-f', 'deploy/docker/Dockerfile', '-t', IMAGE, '.']
    await docker(build, { cwd: ROOT, env: { DOCKER_BUILDKIT: '1' } })
    lms = await startLmsContainers({ name: RUN, image: IMAGE, network: NETWORK })
    // The guide's file of settings, without the database, which is the image's own choice.
    const { LERNITO_DATABASE_URL: _, LERNITO_PORT: __, ...env } = serveEnv({ folder: 'unused', lmsUrl: 'http://lms' })
    writeFileSync(
      settings,
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    )
  })
  after(async () => {
    removeFolder()
    await remove({
      containers: [SERVICE, ...lms.containers],
      volumes: [VOLUME],
      networks: [NETWORK],
      images: [IMAGE],
    })
  })

  /** Starts the service as the guide's `docker run` does, with more options. Returns its address. */
  const run = async (...options: readonly string[]): Promise<string> => {
    const guide = ['--detach', '--name', SERVICE, '--read-only', '--publish', '127.0.0.1::8790']
    const given = ['--volume', `${VOLUME}:/data`, '--env-file', settings, '--network', NETWORK]
    await docker(['run', ...guide, ...given, ...options, IMAGE])
    return `http://127.0.0.1:${await portOf(SERVICE, 8790)}`
  }
  const command = (...args: readonly string[]): Promise<string> => docker(['exec', SERVICE, 'lernito-openedx', ...args])

  test('from a read-only root file system and with few resources, it becomes healthy and enrolls', async (t) => {
    const began = performance.now()
    const url = await run(
      '--memory',
      '256m',
      '--pids-limit',
      '32',
      '--cap-drop',
      'ALL',
      '--health-interval',
      '1s',
      '--health-timeout',
      '2s',
    )
    await within(30, 'the service', async () => ((await fetch(`${url}/readyz`)).ok ? true : undefined))
    const [size, layers] = (
      await docker(['image', 'inspect', IMAGE, '--format', '{{.Size}} {{len .RootFS.Layers}}'])
    ).split(' ')
    t.diagnostic(
      `ready ${Math.round(performance.now() - began)} ms after docker run; ${Math.round(Number(size) / 1e6)} MB in ${layers} layers`,
    )
    await untilHealth(SERVICE, 'healthy')
    assert.equal((await sell({ url, email: 'alice@example.com' }))?.status, 200)
    const { enrollments } = await lms.state()
    assert.ok(enrollments.some(({ email, active }) => email === 'alice@example.com' && active))
    await command('doctor')
  })

  test('it runs as user 1000, and writes to /data only', async () => {
    assert.equal(await docker(['exec', SERVICE, 'id', '-u']), '1000')
    assert.equal(await docker(['diff', SERVICE]), '')
    await assert.rejects(docker(['exec', SERVICE, 'touch', '/app/file']), /Read-only file system/)
    assert.match(await docker(['exec', SERVICE, 'ls', '/data']), /^lernito\.db$/m)
  })

  test('frozen, it becomes unhealthy, and healthy again when it continues', async () => {
    await docker(['kill', '--signal', 'STOP', SERVICE])
    await untilHealth(SERVICE, 'unhealthy')
    await docker(['kill', '--signal', 'CONT', SERVICE])
    await untilHealth(SERVICE, 'healthy')
  })

  test('docker stop ends it with code 0, well before Docker would kill it', async (t) => {
    const began = performance.now()
    await docker(['stop', SERVICE])
    const took = performance.now() - began
    t.diagnostic(`docker stop took ${Math.round(took)} ms`)
    const { ExitCode, OOMKilled } = await inspect(SERVICE)
    assert.deepEqual({ ExitCode, OOMKilled }, { ExitCode: 0, OOMKilled: false })
    assert.ok(took < 8000, `${took} ms`)
  })

  test('the deliveries in /data are there in a new container', async () => {
    await docker(['rm', SERVICE])
    await run('--health-interval', '1s')
    await untilHealth(SERVICE, 'healthy')
    assert.match(await command('deliveries', 'list', '--all'), /enrolled/)
  })
})
