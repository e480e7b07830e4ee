import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { z } from 'zod'
import { readSettings, SETTINGS, SETTINGS_SCHEMA } from '../../src/service/settings/settings.ts'
import { warningsFor } from '../../src/service/settings/warnings.ts'
import { codeBlocks, readDocument, section } from '../docs/documents.ts'
import { exchange } from '../harness.ts'
import { ROOT, start, temporaryFolder, until } from '../service/process.ts'
import { sell, startLms, startServe } from '../service/serving.ts'
import { freePort } from './ports.ts'
import { check, skipWithoutTools, tool } from './tools.ts'

const EXAMPLE = readFileSync(join(ROOT, 'deploy/docker/example.env'), 'utf8')
const CADDYFILE = readFileSync(join(ROOT, 'deploy/docker/Caddyfile'), 'utf8')
const PLUGIN = readFileSync(join(ROOT, 'deploy/tutor/tutorlernito/patches/caddyfile-lms'), 'utf8')

const composed = z.object({
  services: z.record(
    z.string(),
    z.looseObject({
      environment: z.record(z.string(), z.string().nullable()).default({}),
      read_only: z.boolean().optional(),
      cap_drop: z.array(z.string()).optional(),
      security_opt: z.array(z.string()).optional(),
      logging: z.object({ driver: z.string() }).optional(),
      command: z.array(z.string()).nullish(),
      ports: z.array(z.looseObject({ published: z.string() })).default([]),
    }),
  ),
})

/** What docker compose makes of compose.yaml with this .env. */
async function configOf(t: TestContext, env: string) {
  const folder = temporaryFolder(t) // the file reads .env beside it
  const [file, compose] = [join(folder, '.env'), join(folder, 'compose.yaml')]
  writeFileSync(file, env)
  copyFileSync(join(ROOT, 'deploy/docker/compose.yaml'), compose)
  const args = ['--env-file', file, '-f', compose, 'config', '--format', 'json']
  const { services } = composed.parse(JSON.parse(await check({ name: 'docker-compose', args })))
  const service = (name: string) => {
    const found = services[name]
    assert.ok(found, `there is no service ${name}`)
    // A $ is written twice, so that the output could be read again.
    const environment = Object.entries(found.environment).map(([key, value]) => [key, value?.replaceAll('$$', '$')])
    return { ...found, environment: z.record(z.string(), z.string()).parse(Object.fromEntries(environment)) }
  }
  return { names: Object.keys(services).sort(), service }
}

/** The example with a value behind each name that has none. */
const filled = (secret = "'a-secret-of-the-shop'"): string =>
  EXAMPLE.replace(/^(LERNITO_WEBHOOK_SECRET)=$/m, `$1=${secret.replaceAll('$', '$$$$')}`).replace(/=$/gm, '=Letters0')

describe('deploy/docker/compose.yaml', { skip: skipWithoutTools }, () => {
  test('without a required value, it names the value and where to set it', async (t) => {
    const needed = [...EXAMPLE.matchAll(/^(LERNITO_\w+)=/gm)].map(([, name = '']) => name)
    assert.equal(needed.length, 6)
    await assert.rejects(configOf(t, ''), ({ message }: Error) => {
      for (const name of needed) assert.match(message, new RegExp(`${name} is missing a value: write it in .env`))
      return true
    })
  })

  test('with the completed example, its settings are valid and none is unknown', async (t) => {
    const { names, service } = await configOf(t, filled())
    assert.deepEqual(names, ['caddy', 'lernito', 'mysql'])
    const { environment } = service('lernito')
    const settings = readSettings({ env: environment, schema: SETTINGS_SCHEMA })
    assert.deepEqual(warningsFor({ env: environment, settings }), [])
  })

  test('every setting in .env reaches the service, but for those that Caddy and the database need', async (t) => {
    const fixed = ['LERNITO_HOST', 'LERNITO_PORT', 'LERNITO_PUBLIC_URL', 'LERNITO_DATABASE_URL']
    const others = SETTINGS.map(({ name }) => name).filter((name) => !fixed.includes(name))
    const given = others.map((name) => `${name}=of-${name}\n`).join('')
    const { service } = await configOf(t, `LERNITO_DOMAIN=lernito.example.com\nLERNITO_MYSQL_PASSWORD=x\n${given}`)
    const { environment } = service('lernito')
    assert.deepEqual(
      others.filter((name) => environment[name] !== `of-${name}`),
      [],
    )
    assert.equal(environment.LERNITO_PUBLIC_URL, 'https://lernito.example.com')
  })

  test('its service can connect to its database', async (t) => {
    const { service } = await configOf(t, filled())
    const { hostname, username, password, pathname } = new URL(
      service('lernito').environment.LERNITO_DATABASE_URL ?? '',
    )
    const { MYSQL_USER, MYSQL_PASSWORD, MYSQL_DATABASE } = service('mysql').environment
    assert.deepEqual(
      [hostname, username, password, pathname],
      ['mysql', MYSQL_USER, MYSQL_PASSWORD, `/${MYSQL_DATABASE}`],
    )
  })

  test('a secret of unusual characters in single quotes is passed unchanged', async (t) => {
    const odd = 'a$b $c $$  "d" #e: \\f%'
    const { service } = await configOf(t, filled(`'${odd}'`))
    assert.equal(service('lernito').environment.LERNITO_WEBHOOK_SECRET, odd)
  })

  test('no log grows without a limit, and the database keeps no copy of what forget erases', async (t) => {
    const { names, service } = await configOf(t, filled())
    assert.deepEqual(new Set(names.map((name) => service(name).logging?.driver)), new Set(['local']))
    assert.deepEqual(service('mysql').command, ['--skip-log-bin'])
  })

  test('only Caddy can be reached from outside, and the service has minimal privileges', async (t) => {
    const { names, service } = await configOf(t, filled())
    const open = names.filter((name) => service(name).ports.length > 0)
    assert.deepEqual(open, ['caddy'])
    const { read_only, cap_drop, security_opt } = service('lernito')
    assert.deepEqual([read_only, cap_drop, security_opt], [true, ['ALL'], ['no-new-privileges:true']])
  })
})

test('example.env has every name that compose.yaml demands, and no other than settings', () => {
  const compose = readDocument('deploy/docker/compose.yaml')
  const needed = [...compose.matchAll(/\$\{(LERNITO_\w+):\?/g)].map(([, name = '']) => name)
  const offered = [...EXAMPLE.matchAll(/^(?:# )?(LERNITO_\w+)=/gm)].map(([, name = '']) => name)
  const known = [...needed, ...SETTINGS.map(({ name }) => name)]
  assert.deepEqual(
    [needed.filter((name) => !offered.includes(name)), offered.filter((name) => !known.includes(name))],
    [[], []],
  )
})

describe('deploy/docker/Caddyfile', { skip: skipWithoutTools }, () => {
  test('Caddy accepts it and its format', async () => {
    assert.equal(await check({ name: 'caddy', args: ['fmt', 'deploy/docker/Caddyfile'] }), CADDYFILE)
    const args = ['validate', '--adapter', 'caddyfile', '--config', 'deploy/docker/Caddyfile']
    await check({ name: 'caddy', args, env: { LERNITO_DOMAIN: 'lernito.example.com' } })
  })

  test('it holds requests back as the Tutor plugin does, whose tests run an older Caddy too', () => {
    const held = (file: string): string[] =>
      (/\n( *|\t*)health_uri[\s\S]*?(?=\n\1transport)/.exec(file)?.[0] ?? '').split('\n').map((line) => line.trim())
    assert.ok(held(CADDYFILE).includes('header_regexp Content-Length ^[0-9]{1,5}$'))
    assert.deepEqual(held(CADDYFILE), held(PLUGIN))
  })

  test('the guide makes of it a valid Caddyfile for a Caddy on the machine of the service', async (t) => {
    const [command = ''] = codeBlocks(section(readDocument('docs/how-to/install.md'), '### Caddy'), 'sh')
    const made = execFileSync('sh', ['-c', command], { cwd: ROOT, encoding: 'utf8' })
    assert.match(made, /^lernito\.example\.com \{\n[\s\S]*\treverse_proxy 127\.0\.0\.1:8790 \{\n/)
    const file = join(temporaryFolder(t), 'Caddyfile')
    writeFileSync(file, made)
    await check({ name: 'caddy', args: ['validate', '--adapter', 'caddyfile', '--config', file] })
  })

  /** Caddy with this Caddyfile, on a port of loopback, before a service on another. */
  const startCaddy = async (t: TestContext) => {
    const folder = temporaryFolder(t)
    const [outside, inside] = [await freePort(), await freePort()]
    const file = join(folder, 'Caddyfile')
    writeFileSync(file, `{\n\tadmin off\n}\n${CADDYFILE.replace('lernito:8790', `127.0.0.1:${inside}`)}`)
    const env = { LERNITO_DOMAIN: `http://127.0.0.1:${outside}`, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
    start({ t, command: [tool('caddy')], args: ['run', '--adapter', 'caddyfile', '--config', file], env })
    const lms = await startLms(t)
    const url = `http://127.0.0.1:${outside}`
    const get = async (path: string): Promise<number | undefined> =>
      (await exchange({ url: url + path, method: 'GET' }).catch(() => undefined))?.status
    await until('Caddy', () => get('/'))
    const serve = () =>
      startServe({ t, folder, lmsUrl: lms.url, env: { LERNITO_PORT: String(inside), LERNITO_DRAIN_MS: '3000' } })
    return { url, get, serve }
  }

  test('it forwards a webhook, even during the start of the service, and no private path', async (t) => {
    const { url, get, serve } = await startCaddy(t)
    const early = sell({ url, email: 'early@example.com' })
    await serve()
    assert.equal((await early)?.status, 200)
    assert.equal((await sell({ url, email: 'alice@example.com' }))?.status, 200)
    assert.equal(await get('/lernito/openapi.json'), 200)
    for (const path of ['/', '/healthz', '/readyz', '/metrics', '/api/other']) assert.equal(await get(path), 404, path)
    for (const path of ['/lernito/openapi.json', '/metrics']) {
      const { headers } = await exchange({ url: url + path, method: 'GET' })
      assert.equal(headers['strict-transport-security'], 'max-age=31536000', path)
    }
  })

  test('no webhook is lost in a restart of the service', async (t) => {
    const { url, serve } = await startCaddy(t)
    const first = await serve()
    const statuses: (number | undefined)[] = []
    let isOver = false
    const shop = async (name: string): Promise<void> => {
      for (let n = 0; !isOver; n++) statuses.push((await sell({ url, email: `${name}${n}@example.com` }))?.status)
    }
    const shops = Promise.all(['a', 'b', 'c', 'd'].map(shop))
    await until('sales before it', () => statuses.length > 20 || undefined)
    first.child.kill('SIGTERM')
    assert.equal((await first.ended).code, 0)
    const before = statuses.length
    await serve()
    await until('sales after it', () => statuses.length > before + 20 || undefined)
    isOver = true
    await shops
    assert.deepEqual(new Set(statuses), new Set([200]))
  })
})
