import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problem } from '../../src/doctor/causes.ts'
import type { Result } from '../../src/doctor/examine.ts'
import { render } from '../../src/doctor/render.ts'

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

test('a line for each check; under a fault its cause and what mends it, with Tutor and without', () => {
  assert.equal(
    render(RESULTS),
    `ok       settings                all are well formed
failure  database                whether the database can be used

         There is no database lernito at mysql:3306.
           What to do: Make it, under the name that LERNITO_DATABASE_URL has: \`CREATE DATABASE lernito CHARACTER SET utf8mb4\`.
           With Tutor: \`tutor local do init --limit=lernito\`.

skipped  database.level          needs database first
warning  webhook.secret          the webhook secret

         LERNITO_POTR is not a setting of this version and has no effect.
           What to do: Check its spelling, or remove it.

1 failure, 1 warning, 1 ok, 1 skipped.
`,
  )
})

test('what is mended in the same way stands together, with that once', () => {
  const problems = ['A', 'B'].map((name) => problem('settings.unknown', { name }))
  assert.equal(
    render([{ id: 'settings', about: 'the settings', status: 'warning', detail: null, problems }]),
    `warning  settings                the settings

         A is not a setting of this version and has no effect.
         B is not a setting of this version and has no effect.
           What to do: Check its spelling, or remove it.

1 warning.
`,
  )
})

test('several of a kind are counted in the plural', () => {
  const [ok, failure, skipped, warning] = RESULTS
  const all = [ok, ok, failure, failure, skipped, skipped, warning, warning].filter((one) => one !== undefined)
  assert.match(render(all), /\n2 failures, 2 warnings, 2 ok, 2 skipped\.\n$/)
})

test('what an answer brings along can not forge a line or turn the reading direction', () => {
  const { says } = problem('staff.not_staff', { username: 'x\nok       lms.token \u202e' })
  assert.doesNotMatch(says, /[\n\u202e]/)
})
