import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isEmail } from '../../src/sale/payload/email.ts'
import { ROOT } from './documents.ts'

test('the address of the service user is one with which the admin of Django can save the user', () => {
  const files = globSync(['README.md', 'docs/**/*.md', 'src/doctor/causes.json', 'deploy/**/*.{md,yaml,yml}'], {
    cwd: ROOT,
    exclude: ['**/.venv/**', 'docs/site/**'],
  })
  const commands = files.flatMap((file) => [
    ...readFileSync(join(ROOT, file), 'utf8').matchAll(/manage_user (?<user>[\w-]+) (?<address>\S+)/g),
  ])
  const addresses = commands.map(({ groups }) => groups?.address ?? '')
  assert.ok(addresses.length >= 2)
  const placeholder = 'THEIR-EMAIL'
  assert.deepEqual(
    addresses.filter((address) => address !== placeholder && !isEmail(address)),
    [],
  )
})
