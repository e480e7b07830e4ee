import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { before, test } from 'node:test'
import { createVisitor } from '../console/visitor.ts'
import { control, DEMO } from '../harness.ts'
import { cleanupOfFile, ROOT, run, temporaryFolder, until } from '../service/process.ts'
import { readDocument, section } from './documents.ts'
import { startSandbox } from './running-sandbox.ts'

interface Step {
  /** A block of commands, as a reader copies it. */
  readonly commands: string
  /** The block below it, which says what they print; null if the page doesn't say. */
  readonly prints: string | null
}

interface Place {
  readonly service: string
  readonly lms: string
  readonly npm: Record<string, string>
}

const SHELL = /^```sh\n(?<commands>.*?)\n```\n(?:\n```text\n(?<prints>.*?)\n```$)?/gms
const ID = /\b[0-9A-Z]{26}\b/g
const PASSWORD = 'pw-Test-123'
const page = readDocument('docs/tutorial.md')
const missing = ['curl', 'sh'].filter((program) => spawnSync(program, ['--help']).error !== undefined)

const stepsIn = (text: string): Step[] =>
  [...text.matchAll(SHELL)].map(({ groups }) => ({ commands: groups?.commands ?? '', prints: groups?.prints ?? null }))

const t = cleanupOfFile()

let place: Place
before(async () => {
  const npm = { npm_config_cache: temporaryFolder(t), npm_config_offline: 'true' }
  place = { ...(await startSandbox({ t })), npm }
})

/** Runs the steps of a section as they are written, but for the ports, and checks what they print. */
async function follow(heading: string, text = page): Promise<void> {
  const [secret] = stepsIn(section(page, '## Start')).slice(-1)
  const steps = stepsIn(section(text, heading)).filter(({ commands }) => !commands.startsWith('npm '))
  assert.ok(secret !== undefined && steps.length > 0)
  for (const { commands, prints } of steps) {
    const here = `${secret.commands}\n${commands}`
      .replaceAll('lernito-openedx send ', `lernito-openedx send --url ${place.service}/api/lernito/webhook/ `)
      .replaceAll('http://127.0.0.1:8790', place.service)
      .replaceAll('http://127.0.0.1:8791', place.lms)
    const { stdout } = await run({ command: ['sh', '-c'], args: [here], cwd: ROOT, env: place.npm })
    if (prints !== null) assert.equal(plain(stdout), plain(prints), commands)
  }
}

/** Without ids and line breaks: curl prints none after an answer. */
const plain = (text: string): string => text.replaceAll(ID, 'ID').replaceAll('\n', '')

const enrolled = async (address: string): Promise<boolean> => {
  const { enrollments } = await control(place.lms).state()
  return enrollments.some(({ email, course, active }) => email === address && course === DEMO && active)
}

/** A person who signs in to the stand-in LMS. */
async function signedIn(login: string, password: string) {
  const visitor = createVisitor()
  await visitor.post(`${place.lms}/login`, { login, password })
  return visitor
}

if (missing.length === 0) {
  test('the tutorial’s buyer with an account sees the course on the dashboard', async () => {
    await follow('## Sell to a buyer with an account')
    const alice = await signedIn('alice@example.com', PASSWORD)
    assert.match((await alice.get(`${place.lms}/dashboard`)).text, /Demonstration Course/)
  })

  test('the tutorial’s newcomer registers, activates and sees the course on the dashboard', async () => {
    await follow('## Sell to a buyer without an account')
    const form = { email: 'newcomer@example.com', username: 'newcomer', name: 'New', password: PASSWORD }
    const newcomer = createVisitor()
    const made = await newcomer.post(`${place.lms}/register`, form)
    const link = /href="(\/activate\/[^"]+)">Activate the account</.exec(made.text)?.[1] ?? ''
    assert.notEqual(link, '')
    await newcomer.get(place.lms + link)
    const signed = await signedIn(form.email, form.password)
    assert.match((await signed.get(`${place.lms}/dashboard`)).text, /Demonstration Course/)
  })

  test('the tutorial’s course that doesn’t exist needs attention in the console', async () => {
    await follow("## Sell a course that doesn't exist")
    const admin = await signedIn('admin@lms.test', PASSWORD)
    const console = `${place.service}/lernito/console/`
    const asked = await admin.get(new URL((await admin.get(console)).location, console).href)
    await admin.get((await admin.get(asked.location)).location)
    assert.match((await admin.get(console)).text, /needs attention/)
  })

  test('the tutorial’s sale during an outage is enrolled after it, without being sent again', async () => {
    await follow('## Survive an outage')
    await until('the enrollment', async () => (await enrolled('erin@example.com')) || undefined)
  })

  test('the README’s first sale prints what the README says', () => follow('## Try it', readDocument('README.md')))
}

test('the tutorial starts with the commands of the README', () => {
  const [start] = stepsIn(section(page, '## Start'))
  const [tried] = stepsIn(section(readDocument('README.md'), '## Try it'))
  assert.deepEqual(start, tried)
})
