import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { control } from '../harness.ts'
import { has } from '../package/tools.ts'
import { cleanupOfFile, type Ended, ROOT, start, temporaryFolder, until } from '../service/process.ts'
import { codeBlocks, readDocument, section } from './documents.ts'
import { startSandbox } from './running-sandbox.ts'

const page = readDocument('docs/quickstart-shop.md')
const ID = /\b[0-9A-Z]{26}\b/g
/** The program of each command of "Send a sale", and how it is asked for its version. */
const PROGRAMS = { python3: '--version', php: '--version', node: '--version', go: 'version' }

const t = cleanupOfFile()

let place: { readonly service: string; readonly lms: string }
before(async () => {
  place = await startSandbox({ t })
})

/** Runs a line of the page as it is written, except for the ports. */
function follow(line: string): Promise<Ended> {
  const env = { LERNITO_URL: place.service, LERNITO_QUEUE: join(temporaryFolder(t), 'queue'), GOTOOLCHAIN: 'local' }
  const here = line.replaceAll('http://127.0.0.1:8791', place.lms)
  return start({ t, command: ['sh', '-c'], args: [here], cwd: ROOT, env }).ended
}

const sale = section(page, '## Send a sale')
const [printed = ''] = codeBlocks(sale, 'text')
const commands = codeBlocks(sale, 'sh').filter((code) => !code.startsWith('#!'))

for (const [program, option] of Object.entries(PROGRAMS)) {
  const missing = has(program, option) || process.env.CI ? false : `no ${program} on this machine`
  test(`the command with ${program} prints what the page shows, again and again`, { skip: missing }, async () => {
    const [command = ''] = commands.filter((line) => line.startsWith(`${program} `))
    for (let time = 1; time <= 2; time++) {
      const { stdout, stderr } = await follow(command)
      assert.equal(stdout.replaceAll(ID, 'ID').trimEnd(), printed.replaceAll(ID, 'ID'), stderr)
    }
  })
}

test('each command of the section is run', () => {
  assert.deepEqual(
    commands.map((line) => line.split(' ')[0]),
    Object.keys(PROGRAMS),
  )
})

test('the outage is as the page says', { skip: has('python3') || process.env.CI ? false : 'no python3' }, async () => {
  const [down = '', sell = '', rest = ''] = codeBlocks(section(page, '## Survive an outage'), 'sh')
  const [up = '', status = ''] = rest.split('\n')
  assert.equal((await follow(down)).code, 0)
  const sold = await follow(sell)
  assert.match(sold.stdout, /^order-1002: 500 .* delivery=[0-9A-Z]{26}$/m, sold.stderr)
  assert.equal((await follow(up)).code, 0)
  const [delivery = ''] = sold.stdout.match(ID) ?? []
  await until('the enrollment', async () => {
    const { stdout } = await follow(status.replace('DELIVERY', delivery))
    return JSON.parse(stdout).deliveries[0].state === 'enrolled' || undefined
  })
  const { enrollments } = await control(place.lms).state()
  assert.ok(enrollments.some(({ email, active }) => email === 'erin@example.com' && active))
})

test('it starts with the commands of the README', () => {
  const [started] = codeBlocks(section(page, '## Start the sandbox'), 'sh')
  const [tried] = codeBlocks(section(readDocument('README.md'), '## Try it'), 'sh')
  assert.equal(started, tried)
})
