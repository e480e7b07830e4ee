import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { test } from 'node:test'
import { readSettings, SETTINGS_SCHEMA } from '../../src/service/settings/settings.ts'
import { isSampleSecret, sampleSecrets, warningsFor } from '../../src/service/settings/warnings.ts'
import { DOCUMENTS, ROOT, readDocument } from './documents.ts'

/** How the documents write the value of a secret: assigned, as an option, and as the fallback of a program. */
const WRITTEN = [
  /LERNITO_\w*SECRET(?:_PREVIOUS)?=(?:'([^'\n]+)'|([^\s'"`$…|]+))/g,
  /--client-secret ([^\s"`$]+)/g,
  /LERNITO_\w*SECRET["')]*(?:, | \?: | \?\? )["']([^"'\n]+)["']/g,
]
const FILES = [...DOCUMENTS, '.env.example', ...globSync('deploy/**/*.{md,env,yaml,service}', { cwd: ROOT })]

/** The values of secrets that stand in the documents. A command in them makes a random one. */
const samples = new Set(
  FILES.flatMap((file) => WRITTEN.flatMap((form) => [...readDocument(file).matchAll(form)]))
    .map(([, quoted, bare]) => quoted ?? bare ?? '')
    .filter((value) => !value.includes('$') && !/^(?:NAME|\{\{)/.test(value)),
)

test('the service knows every sample secret of the documents', () => {
  assert.ok(samples.size >= 8, [...samples].join())
  assert.deepEqual(
    [...samples].filter((value) => !isSampleSecret(value)),
    [],
  )
})

test('a sample secret gets a warning, and the sandbox’s own only with an LMS elsewhere', () => {
  const warned = (LERNITO_WEBHOOK_SECRET: string, lms: string): boolean => {
    const env = {
      LERNITO_WEBHOOK_SECRET,
      LERNITO_LMS_URL: lms,
      LERNITO_LMS_CLIENT_ID: 'lernito',
      LERNITO_LMS_CLIENT_SECRET: 'CHOOSE-ONE',
    }
    const settings = readSettings({ env, schema: SETTINGS_SCHEMA })
    const names = sampleSecrets(settings)
    assert.ok(names.includes('LERNITO_LMS_CLIENT_SECRET'))
    assert.equal(warningsFor({ env, settings }).filter((text) => text.includes('is a sample')).length, names.length)
    return names.includes('LERNITO_WEBHOOK_SECRET')
  }
  assert.equal(warned("'The secret of the shop'", 'http://127.0.0.1:8791'), true)
  assert.equal(warned('lernito-sandbox-secret', 'https://lms.example.com'), true)
  assert.equal(warned('lernito-sandbox-secret', 'http://127.0.0.1:8791'), false)
  assert.equal(warned('a secret of their own', 'https://lms.example.com'), false)
})
