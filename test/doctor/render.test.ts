import assert from 'node:assert/strict'
import { test } from 'node:test'
import { render } from '../../src/cli/doctor.ts'
import { problem } from '../../src/doctor/check.ts'
import type { Result } from '../../src/doctor/examine.ts'

const RESULTS: readonly Result[] = [
  { id: 'settings', about: 'the settings', status: 'ok', detail: 'all are well formed', problems: [] },
  {
    id: 'database',
    about: 'whether the database can be used',
    status: 'failure',
    detail: null,
    problems: [problem('database.missing', { name: 'lernito at mysql:3306' })],
  },
  { id: 'database.level', about: 'its level', status: 'skipped', detail: 'needs database first', problems: [] },
  {
    id: 'webhook.secret',
    about: 'the webhook secret',
    status: 'warning',
    detail: null,
    problems: [problem('settings.unknown', { name: 'LERNITO_POTR' })],
  },
]

test('each check has a line, and each problem has its cause and its fix below, with Tutor and without', () => {
  assert.equal(
    render(RESULTS),
    `ok       settings                all are well formed
failure  database                whether the database can be used

         The database lernito at mysql:3306 does not exist.
           What to do: Create it with the name in LERNITO_DATABASE_URL: \`CREATE DATABASE lernito CHARACTER SET utf8mb4\`.
           With Tutor: Run \`tutor local do init --limit=lernito\`.

skipped  database.level          needs database first
warning  webhook.secret          the webhook secret

         LERNITO_POTR is not a setting of this version, so it has no effect.
           What to do: Correct its spelling, or remove it.

1 failure, 1 warning, 1 ok, 1 skipped.
`,
  )
})

test('problems with the same fix share it', () => {
  const problems = ['A', 'B'].map((name) => problem('settings.unknown', { name }))
  assert.equal(
    render([{ id: 'settings', about: 'the settings', status: 'warning', detail: null, problems }]),
    `warning  settings                the settings

         A is not a setting of this version, so it has no effect.
         B is not a setting of this version, so it has no effect.
           What to do: Correct its spelling, or remove it.

1 warning.
`,
  )
})

test('counts above one are in the plural', () => {
  const [ok, failure, skipped, warning] = RESULTS
  const all = [ok, ok, failure, failure, skipped, skipped, warning, warning].filter((one) => one !== undefined)
  assert.match(render(all), /\n2 failures, 2 warnings, 2 ok, 2 skipped\.\n$/)
})

test('text from an answer cannot forge a line or reverse the reading direction', () => {
  const { message } = problem('staff.not_staff', { username: 'x\nok       lms.token \u202e' })
  assert.doesNotMatch(message, /[\n\u202e]/)
})

test('nothing that the LMS says in a detail moves the cursor', () => {
  const detail = 'for the user \x1b[2J\u009b1mworker'
  assert.match(
    render([{ id: 'lms.token', about: 'the token', status: 'ok', detail, problems: [] }]),
    /for the user \\u001b\[2J\\u009b1mworker\n/,
  )
})
