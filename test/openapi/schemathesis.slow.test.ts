import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { DEMO, exchange, SECRET, signed, startProduct } from '../harness.ts'
import { check, skipWithoutTools } from '../package/tools.ts'
import { until } from '../service/process.ts'

const FOLDER = join(import.meta.dirname, 'schemathesis')

test('docs/reference/openapi.json is a valid OpenAPI document', { skip: skipWithoutTools }, async () => {
  assert.match(await check({ name: 'openapi-spec-validator', args: ['docs/reference/openapi.json'] }), /OK/)
})

test('the requests that schemathesis generates are answered as described', { skip: skipWithoutTools }, async (t) => {
  const product = await startProduct({ env: { LERNITO_REFUNDS: 'on' }, catalogueMs: 100 })
  t.after(() => product.stop())
  await until('the catalogue', async () => {
    const url = `${product.url}/api/lernito/courses/`
    return (await exchange({ url, headers: signed('{}'), body: '{}' })).status === 200 || undefined
  })
  const said = await check({
    name: 'schemathesis',
    args: [
      `--config-file=${join(FOLDER, 'schemathesis.toml')}`,
      'run',
      `${product.url}/lernito/openapi.json`,
      '--max-examples=50',
      '--generation-deterministic', // what was found once is found again
      '--continue-on-failure',
      '--no-color',
    ],
    cwd: product.folder, // it keeps a cache where it is
    env: {
      PYTHONPATH: FOLDER,
      PYTHONDONTWRITEBYTECODE: '1',
      SCHEMATHESIS_HOOKS: 'shop',
      LERNITO_WEBHOOK_SECRET: SECRET,
    },
  })
  t.diagnostic(
    said
      .split('\n')
      .filter((line) => /generated|Seed/.test(line))
      .join(', '),
  )
  const { enrollments, allowances } = await product.lms.state()
  const sold = [...enrollments, ...allowances].filter(({ course }) => course === DEMO)
  assert.ok(sold.length > 10, `only ${sold.length} of its sales were signed and done`)
})
