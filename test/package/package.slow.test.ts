import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { sign } from '../../src/shop/signature/signature.ts'
import { DEMO, exchange } from '../harness.ts'
import { ROOT, run, start } from '../service/process.ts'
import { sell, startLms, startServe } from '../service/serving.ts'
import {
  asSomebodyElse,
  install,
  makeReadOnly,
  openFolder,
  type Packed,
  pack,
  packagesOf,
  theirFolder,
} from './installing.ts'

const { folder, remove } = openFolder('lernito-package-')
const BIN = join(folder, 'site/node_modules/.bin/lernito-openedx')
/** A file beside the code that is no TypeScript, such as the console has. */
const ASSET = 'src/webhook/static/words.css'
let packed: Packed
let installed: string
before(async () => {
  packed = await pack({ folder, more: ASSET })
  installed = await install({ tarball: packed.tarball, folder: join(folder, 'site') })
})
after(() => {
  execFileSync('chmod', ['-R', 'u+w', folder])
  remove()
})

const source = (pattern: string): string[] => globSync(pattern, { cwd: ROOT })

test('the package has the built code and what stands beside it, the types of its one entry, documents and systemd unit, the versions of its packages, what npm always adds, and nothing else', () => {
  const code = source('{src,sandbox}/**/*.ts').map((file) => `dist/${file.replace(/ts$/, 'js')}`)
  const types = source('src/{shop/signature,sale/json}/*.ts').map((file) => `dist/${file.replace(/ts$/, 'd.ts')}`)
  const imported = ['dist/package.json', 'dist/docs/reference/openapi.json']
  const assets = [...imported, ...[ASSET, ...source('src/**/*.!(ts|md)')].map((file) => `dist/${file}`)]
  const always = ['LICENSE', 'README.md', 'bin/lernito-openedx.js', 'npm-shrinkwrap.json', 'package.json']
  const forOperators = source('{docs/**/*.*,deploy/systemd/*}').filter((file) => !file.startsWith('docs/site/'))
  assert.deepEqual(packed.files, [...always, ...code, ...types, ...assets, ...forOperators].sort())
})

describe('the installed dependencies', () => {
  test('they are exactly the tested versions', () => {
    const present = packagesOf(join(folder, 'site/node_modules/.package-lock.json'))
    assert.deepEqual(present, packagesOf(join(ROOT, 'package-lock.json')))
    assert.ok(present.length > 50)
  })

  test('npm-shrinkwrap.json has no download addresses, and is removed from the checkout', () => {
    const list = readFileSync(join(installed, 'npm-shrinkwrap.json'), 'utf8')
    const text = list.replaceAll(/"funding": (?:"[^"]*"|\{[^}]*\}|\[[^\]]*\])/g, '')
    assert.doesNotMatch(text, /resolved|:\/\/|registry/)
    assert.doesNotMatch(list, /"dev": true|devDependencies/)
    assert.equal(existsSync(join(folder, 'checkout/npm-shrinkwrap.json')), false)
  })
})

describe('the installed package', { concurrency: 2 }, () => {
  test('lernito-openedx --version prints the version of the package', async () => {
    const { version } = z
      .object({ version: z.string() })
      .parse(JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')))
    const result = await run({ command: [BIN], args: ['--version'] })
    assert.deepEqual(result, { code: 0, signal: null, stdout: `${version}\n`, stderr: '' })
  })

  test('the sandbox accepts a webhook from lernito-openedx send, and serves all files of the console', async (t) => {
    const sandbox = start({ t, command: [BIN], args: ['sandbox', '--port', '0', '--service-port', '0'] })
    const { url } = await sandbox.logged(({ msg }) => msg === 'ready for webhooks')
    const sent = await run({
      command: [BIN],
      args: ['send', '--url', `${url}/api/lernito/webhook/`, '--email', 'alice@example.com', '--course', DEMO],
      env: { LERNITO_WEBHOOK_SECRET: 'lernito-sandbox-secret' },
    })
    assert.match(
      sent.stdout,
      /^200 OK\n\{"success":true,"message":"User enrollment status verified for 1 course\(s\)"\}/,
    )
    // Of its own files and of other packages.
    for (const file of ['console.css', 'times.js', 'keys.js', 'copy.js', 'icon.svg', 'htmx.js']) {
      const served = await exchange({ url: `${url}/lernito/console/static/${file}`, method: 'GET' })
      assert.deepEqual([served.status, served.text.length > 100], [200, true], file)
    }
    sandbox.child.kill('SIGTERM')
    assert.equal((await sandbox.ended).code, 0)
  })

  test('it runs as another user, from a read-only folder', async (t) => {
    const site = join(folder, 'site')
    makeReadOnly(site)
    const [program = '', ...more] = [...asSomebodyElse, 'test', '-w', installed]
    const isRoot = process.getuid?.() === 0
    assert.equal(spawnSync(program, more).status, 1, `they can write to the package (root here: ${isRoot})`)
    const lms = await startLms(t)
    const data = theirFolder(join(folder, 'data'))
    const [first = BIN, ...rest] = [...asSomebodyElse, BIN]
    const serving = await startServe({ t, folder: data, lmsUrl: lms.url, command: [first, ...rest] })
    const answered = await sell({ url: serving.url, email: 'alice@example.com' })
    assert.equal(answered?.status, 200)
    const { enrollments } = await lms.state()
    assert.ok(enrollments.some(({ email, course }) => email === 'alice@example.com' && course === DEMO))
    serving.child.kill('SIGTERM')
    assert.equal((await serving.ended).code, 0)
  })
})

describe('lernito-openedx/signature', () => {
  const SECRET = 'a-secret-of-the-shop'
  const BODY = '{"name": "Zoë", "email": "a@b.example"}'
  const SHOP = `import { sign, verify } from 'lernito-openedx/signature'
const [body, secret] = ${JSON.stringify([BODY, SECRET])}
const signature = sign({ body, secret })
const original = sign({ body, secret, form: 'original' })
console.log(JSON.stringify([signature, original, verify({ body, signature: original, secrets: [secret] })]))
`

  test('it signs and verifies as the service does', () => {
    const shop = join(folder, 'shop')
    mkdirSync(shop)
    // The entry alone, without one of the packages that the service needs.
    const alone = join(shop, 'node_modules/lernito-openedx')
    for (const part of ['dist/src/shop/signature', 'dist/src/sale/json', 'dist/src/service/lib/standard-key.js']) {
      cpSync(join(installed, part), join(alone, part), { recursive: true })
    }
    cpSync(join(installed, 'package.json'), join(alone, 'package.json'))
    writeFileSync(join(shop, 'shop.mjs'), SHOP)
    const printed = execFileSync(process.execPath, ['shop.mjs'], { cwd: shop, encoding: 'utf8' })
    assert.deepEqual(JSON.parse(printed), [
      sign({ body: BODY, form: 'raw', secret: SECRET }),
      sign({ body: BODY, form: 'original', secret: SECRET }),
      { form: 'original', secretIndex: 0 },
    ])
  })

  test('its types are included, need no others, and refuse an unknown form', () => {
    const shop = join(folder, 'typed-shop')
    cpSync(join(folder, 'shop'), shop, { recursive: true })
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--types', '', '--lib', 'es2024,dom']
    const check = (code: string) => {
      writeFileSync(join(shop, 'shop.mts'), code)
      const tsc = join(ROOT, 'node_modules/.bin/tsc')
      return spawnSync(tsc, [...options, 'shop.mts'], { cwd: shop, encoding: 'utf8' })
    }
    assert.deepEqual([check(SHOP).stdout], [''])
    assert.match(check(SHOP.replace("'original'", "'nonsense'")).stdout, /'"nonsense"' is not assignable/)
  })

  test('nothing else of the package can be imported', () => {
    const deep = "import('lernito-openedx/dist/src/cli/main.js').catch(({ code }) => console.log(code))"
    const printed = execFileSync(process.execPath, ['-e', deep], { cwd: join(folder, 'site'), encoding: 'utf8' })
    assert.equal(printed, 'ERR_PACKAGE_PATH_NOT_EXPORTED\n')
  })
})
