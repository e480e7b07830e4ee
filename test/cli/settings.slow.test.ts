import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../service/process.ts'
import { inboxOf } from './inboxes.ts'

const ID = '01KG9YS7G00000C80981646AF3'
const LMS = ['LERNITO_LMS_URL', 'LERNITO_LMS_CLIENT_ID', 'LERNITO_LMS_CLIENT_SECRET']

test('a command demands only the settings that it needs', async (t) => {
  const { folder } = await inboxOf(t)
  const env = { LERNITO_DATABASE_URL: `sqlite:${join(folder, 'lernito.db')}` }
  const demanded = async (line: string): Promise<string[]> => {
    const { stderr } = await run({ args: line.split(' '), env, cwd: folder })
    return [...stderr.matchAll(/^(LERNITO_\w+) is missing/gm)].map(([, name = '']) => name)
  }
  for (const line of [
    'deliveries list',
    'deliveries list --count',
    `deliveries show ${ID}`,
    `deliveries replay ${ID}`,
    'events list',
    'forget ada@example.com --yes',
  ]) {
    assert.deepEqual(await demanded(line), [], line)
  }
  for (const line of [`deliveries withdraw ${ID}`, 'reconcile', 'forget ada@example.com --lms --yes']) {
    assert.deepEqual(await demanded(line), LMS, line)
  }
})

test('a command beside a database that no service has used names the database and the setting', async (t) => {
  const { folder } = await inboxOf(t)
  const file = join(folder, 'other.db')
  const env = { LERNITO_DATABASE_URL: `sqlite:${file}` }
  const { code, stderr } = await run({ args: ['deliveries', 'list'], env, cwd: folder })
  assert.equal(code, 1)
  assert.equal(
    stderr,
    `No service has used the database ${file} yet. Run the command where the service runs and with the same LERNITO_DATABASE_URL.\n`,
  )
})
