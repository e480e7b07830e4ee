import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Achievement } from '../../src/sale/line.ts'
import { lockDatabase } from '../harness.ts'
import { linksOf, operator, readable, startWithConsole } from './harness.ts'

const product = await startWithConsole()
after(() => product.stop())
const someone = await operator(product)
const id = await product.idOf('alice@example.com')
const URL = 'https://learn.example.com/certificates/0a1b'

async function store({ passedAt, percent, certificate }: Achievement): Promise<void> {
  const db = await lockDatabase(product)
  const { status, url, createdAt } = certificate ?? {}
  db.prepare(
    'update delivery_lines set passed_at = ?, percent = ?, certificate = ?, certificate_url = ?, certificate_at = ?',
  ).run(passedAt, percent ?? null, status ?? null, url ?? null, createdAt ?? null)
  db.exec('commit')
  db.close()
}

test('a delivery says nothing of what the buyer achieved as long as nothing is known', async () => {
  assert.doesNotMatch(await someone.read(`/deliveries/${id}`), /Passed|ertificate/)
})

test('the pages of a delivery and of its buyer show that the buyer passed, and lead to the certificate', async () => {
  const passedAt = Date.UTC(2026, 10, 24)
  await store({ passedAt, percent: 83, certificate: { status: 'issued', url: URL, createdAt: passedAt } })
  for (const path of [`/deliveries/${id}`, `/people/${id}`]) {
    const seen = await someone.see(path)
    assert.match(readable(seen), /Passed the course with 83%\. Found .*Certificate/)
    assert.ok(linksOf(seen).includes(URL))
  }
})

test('a certificate that was revoked is no link, and without a percentage none is shown', async () => {
  await store({ passedAt: 1, certificate: { status: 'revoked', url: null, createdAt: 1 } })
  const seen = await someone.see(`/deliveries/${id}`)
  assert.match(readable(seen), /Passed the course\. Found .*The certificate was revoked\./)
  assert.ok(!linksOf(seen).includes(URL))
})
