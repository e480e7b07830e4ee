import assert from 'node:assert/strict'
import { symlinkSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { copyCheckout, openFolder } from '../package/installing.ts'
import { run } from '../service/process.ts'
import { codeBlocks, ROOT, readDocument, section } from './documents.ts'

const guide = section(readDocument('CONTRIBUTING.md'), '## Your first change')
const [tests = '', setting = '', use = ''] = codeBlocks(guide, 'diff')
const [newTest = ''] = codeBlocks(guide, 'ts')
const FILES = ['test/service/settings/settings.test.ts', 'test/console/follow-up.test.ts']
const CONSTANT = /^\/\*\* .* \*\/\nexport const FOLLOW_UP_MS = .*\n/m

const { folder, remove } = openFolder('lernito-first-change-')
after(remove)

/** Applies a difference whose first line names the file. A line is found by its text, and an added one follows the one above. */
async function apply(difference: string): Promise<void> {
  const [first = '', ...lines] = difference.split('\n')
  const file = join(folder, first.replace('+++ ', ''))
  const code = (await readFile(file, 'utf8')).split('\n')
  const find = (line: string, from: number): number => {
    const at = code.indexOf(line.slice(1), from)
    assert.ok(at >= 0, `${first} has no line "${line.slice(1)}"`)
    return at
  }
  const found = lines.find((line) => !/^[+@]/.test(line)) ?? ''
  let at = lines[0]?.startsWith('+') ? find(found, 0) : 0
  for (const line of lines.filter((one) => one !== '@@')) {
    if (!line.startsWith('+')) at = find(line, at)
    if (line.startsWith('+')) code.splice(at, 0, line.slice(1))
    if (line.startsWith('-')) code.splice(at, 1)
    else at++
  }
  await writeFile(file, code.join('\n'))
}

const runTests = () => run({ command: [process.execPath], args: ['--test', ...FILES], cwd: folder })

test('the worked change of CONTRIBUTING: its tests fail before it and pass after it', async () => {
  copyCheckout(folder)
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  await apply(tests)
  writeFileSync(join(folder, FILES[1] ?? ''), `${newTest}\n`)
  const before = await runTests()
  assert.equal(before.code, 1, before.stdout)
  assert.match(before.stdout, /fail 3\n/)
  await apply(setting)
  await apply(use)
  const followUp = join(folder, 'src/enroll/follow-up/follow-up.ts')
  const text = await readFile(followUp, 'utf8')
  assert.match(text, CONSTANT)
  await writeFile(followUp, text.replace(CONSTANT, ''))
  const { code, stdout } = await runTests()
  assert.equal(code, 0, stdout)
})
