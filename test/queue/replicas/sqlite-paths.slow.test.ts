import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { linkSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { deliveriesIn } from '../../faults/load.ts'
import { type Ended, ROOT, run, temporaryFolder } from '../../service/process.ts'
import { sell, serveEnv, startServe } from '../../service/serving.ts'

const NOWHERE = 'http://127.0.0.1:9'
const MAIN = join(ROOT, 'src/cli/main.ts')
const mayMount = spawnSync('unshare', ['-m', 'true']).status === 0
const IN_USE = /^Another lernito-openedx is already running on \S+\. Stop it first/

/** Runs `serve`, which should be refused, on this file; `mount` is a shell command that runs first. */
function serve({ file, mount }: { file: string; mount?: string }): Promise<Ended> {
  const env = { ...serveEnv({ folder: '.', lmsUrl: NOWHERE }), LERNITO_DATABASE_URL: `sqlite:${file}` }
  if (mount === undefined) return run({ args: ['serve'], env })
  const shell = `${mount} && exec "$0" "$@"`
  return run({ args: ['serve'], env, command: ['unshare', '-m', 'sh', '-c', shell, process.execPath, MAIN] })
}

const refused = ({ code, stderr }: Ended, why: RegExp): void => {
  assert.match(stderr, why)
  assert.equal(code, 1)
}

/** A service that has accepted a sale into `lernito.db` of a new folder. */
async function startInbox(t: TestContext) {
  const folder = temporaryFolder(t)
  const serving = await startServe({ t, folder, lmsUrl: NOWHERE, env: { LERNITO_ANSWER_WITHIN_MS: '0' } })
  assert.equal((await sell({ url: serving.url, email: 'alice@example.com' }))?.status, 202)
  return { ...serving, folder, file: join(folder, 'lernito.db') }
}

test('a file with a second name is refused by services and commands, whichever name they use', async (t) => {
  const { folder, file } = await startInbox(t)
  const link = join(folder, 'link.db')
  linkSync(file, link)
  refused(await serve({ file: link }), /^The database \S+\/link\.db has 2 hard links.*find .* -samefile .*\n$/)
  const env = { ...serveEnv({ folder, lmsUrl: NOWHERE }), LERNITO_DATABASE_URL: `sqlite:${link}` }
  refused(await run({ args: ['deliveries', 'list'], env }), /has 2 hard links/)
  assert.ok(!readdirSync(folder).some((name) => /^link\.db-|^link\.db\.lock/.test(name)))
  rmSync(link)
  refused(await serve({ file }), IN_USE)
})

test('a file that was renamed while a service has it open is refused as in use', async (t) => {
  const { folder, file } = await startInbox(t)
  const moved = join(folder, 'moved.db')
  renameSync(file, moved)
  refused(await serve({ file: moved }), IN_USE)
})

test('through a symbolic link, a second service is refused, and a command reads the same write-ahead log', async (t) => {
  const { folder, file } = await startInbox(t)
  mkdirSync(join(folder, 'elsewhere'))
  const link = join(folder, 'elsewhere', 'link.db')
  symlinkSync(file, link)
  refused(await serve({ file: link }), IN_USE)
  const [delivery] = await deliveriesIn(`sqlite:${link}`)
  assert.equal(delivery?.email, 'alice@example.com')
  assert.deepEqual(readdirSync(join(folder, 'elsewhere')), ['link.db'])
})

test('a symbolic link to a file that doesn’t exist yet and the file itself together allow one service', async (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'links'))
  symlinkSync('../lernito.db', join(folder, 'links', 'lernito.db'))
  await startServe({ t, folder: join(folder, 'links'), lmsUrl: NOWHERE })
  refused(await serve({ file: join(folder, 'lernito.db') }), IN_USE)
})

const byRoot = { skip: mayMount ? false : 'only root may mount' }

test('a file that is itself mounted is refused with what to do, and its folder does not change', byRoot, async (t) => {
  const { folder, file, child, ended } = await startInbox(t)
  const place = join(folder, 'a place')
  mkdirSync(place)
  const mounted = join(place, 'lernito.db')
  writeFileSync(mounted, '')
  const mount = `mount --bind '${file}' '${mounted}'`
  const why = /^The database \S+\/a place\/lernito\.db is mounted as a single file.*Mount the folder \S+/
  refused(await serve({ file: mounted, mount }), why)
  child.kill('SIGTERM')
  await ended
  refused(await serve({ file: mounted, mount }), why)
  refused(await serve({ file, mount: `mount --bind '${file}' '${file}'` }), /is mounted as a single file/)
  assert.deepEqual(readdirSync(place), ['lernito.db'])
})

test(
  'a file on an overlay of two file systems is used again, although its folder has another device',
  byRoot,
  async (t) => {
    const folder = temporaryFolder(t)
    const layers = join(folder, 'layers')
    const merged = join(folder, 'merged')
    for (const one of [join(folder, 'lower'), layers, merged]) mkdirSync(one)
    const options = `lowerdir=${folder}/lower,upperdir=${layers}/upper,workdir=${layers}/work`
    const mount = [
      `mount -t tmpfs tmpfs '${layers}'`,
      `mkdir '${layers}/upper' '${layers}/work'`,
      `mount -t overlay overlay -o '${options}' '${merged}'`,
    ].join(' && ')
    const env = serveEnv({ folder: merged, lmsUrl: NOWHERE })
    const shell = `${mount} && touch '${merged}/one' && stat -c %d '${merged}' '${merged}/one' && "$0" "$@" && exec "$0" "$@"`
    const { code, stdout, stderr } = await run({
      args: ['migrate'],
      env,
      command: ['unshare', '-m', 'sh', '-c', shell, process.execPath, MAIN],
    })
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    const [ofFolder, ofFile, ...answers] = stdout.trimEnd().split('\n')
    assert.notEqual(ofFolder, ofFile)
    assert.deepEqual(answers, Array(2).fill(`The database ${merged}/lernito.db is up to date.`))
  },
)

test('a second service on a folder that is mounted at two paths is refused', byRoot, async (t) => {
  const { folder } = await startInbox(t)
  const other = temporaryFolder(t)
  refused(await serve({ file: join(other, 'lernito.db'), mount: `mount --bind '${folder}' '${other}'` }), IN_USE)
})
