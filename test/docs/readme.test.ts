import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { DEMO, type Product, startProduct } from '../harness.ts'
import { codeBlocks, codes, ROOT, readDocument, section, tables } from './documents.ts'

const run = promisify(execFile)
const readme = readDocument('README.md')
const contract = section(readme, '## The webhook in short')
const shell = codeBlocks(contract, 'sh')
const python = codeBlocks(contract, 'python')
const javascript = codeBlocks(contract, 'js')

const exists = (program: string): boolean => spawnSync(program, ['--version']).error === undefined

let product: Product
before(async () => {
  product = await startProduct({ env: { LERNITO_WEBHOOK_SECRET: 'lernito-sandbox-secret' } })
})
after(() => product.stop())
beforeEach(() => product.lms.reset())

/** Runs an example as it stands in the README, but for the address, and looks whether it sold alice the course. */
async function sells(example: { code: string; file: string; program: string }): Promise<void> {
  const code = example.code.replaceAll('http://127.0.0.1:8790', product.url)
  assert.notEqual(code, example.code)
  const file = join(product.folder, example.file)
  writeFileSync(file, code)
  const { stdout } = await run(example.program, [file], { timeout: 30_000 })
  assert.deepEqual(JSON.parse(stdout), { success: true, message: 'User enrollment status verified for 1 course(s)' })
  const { enrollments } = await product.lms.state()
  const alice = { email: 'alice@example.com', course: DEMO, mode: 'audit', active: true }
  assert.deepEqual(
    enrollments.filter(({ email }) => email === alice.email),
    [alice],
  )
}

test('the README has an example for curl, one for Python and one for JavaScript', () => {
  assert.deepEqual([shell.length, python.length, javascript.length], [1, 1, 1])
})

for (const code of javascript) {
  test('the README’s JavaScript example enrolls', () => sells({ code, file: 'sell.mjs', program: process.execPath }))
}

if (exists('python3')) {
  for (const code of python) {
    test('the README’s Python example enrolls', () => sells({ code, file: 'sell.py', program: 'python3' }))
  }
}

if (exists('bash') && exists('curl') && exists('openssl')) {
  for (const code of shell) {
    test('the README’s curl example enrolls', () => sells({ code, file: 'sell.sh', program: 'bash' }))
  }
}

test('the README’s table of commands names what --help names, in its order', async () => {
  const [rows = []] = tables(section(readme, '## Commands'))
  const { stdout } = await run(process.execPath, [join(ROOT, 'src/main.ts'), '--help'])
  const commands = [...section(stdout, 'Commands:').matchAll(/^ {2}(\S+)/gm)].map(([, name]) => name)
  assert.ok(commands.length > 0)
  assert.deepEqual(
    rows.flatMap(([command = '']) => codes(command)),
    commands,
  )
})
