import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isNear, similarBuyers, textsLike } from '../../../src/operators/find/similar.ts'
import { accepted, arrival, setUp } from '../../queue/harness.ts'

test('what is searched for is made of the words of an address, without single first names and short ones', () => {
  const cases = [
    ['martin@lopez.example', ['martin lopez', 'martin@']],
    ['Martín.López85@gmail.com', ['martin lopez gmail', 'martin lopez', 'martin.lopez85@']],
    ['info@shop.example', ['info shop']],
    ['ml@x.example', []],
    ['佐藤太郎@firma.example', ['佐藤太郎 firma']],
  ] as const
  for (const [email, texts] of cases) assert.deepEqual(textsLike(email).texts, texts, email)
})

test('two addresses are near if they differ in one place by at most two letters', () => {
  for (const [a, b, near] of [
    ['alice@x.example', 'alcie@x.example', true],
    ['alice@x.example', 'alicee@x.example', true],
    ['alice@x.example', 'alive@x.example', true],
    ['alice@x.example', 'alan@x.example', false],
    ['aa@x.example', 'aaaa@x.example', true],
    ['', 'abc', false],
  ] as const) {
    assert.equal(isNear(a, b), near, `${a} ${b}`)
    assert.equal(isNear(b, a), near, `${b} ${a}`)
  }
})

test('an address without a sale finds who bought with a similar one: once each, and never itself', async (t) => {
  const { store, db, clock } = await setUp(t)
  const sell = async (email: string, name = 'Some', order = 1): Promise<void> => {
    clock.at += 1000
    const { request, ...rest } = arrival({ email, order })
    await store.write([accepted({ ...rest, request: request === null ? null : { ...request, name } })])
  }
  const like = async (email: string) => (await similarBuyers(db, email)).map((one) => one.email)
  await sell('martin.lopez@firma.example')
  await sell('martin.lopez@firma.example', 'Some', 2)
  await sell('alice@exmaple.com')
  await sell('alcie@example.org')
  await sell('stranger@example.org')
  assert.deepEqual(await like('Martin@Lopez.example'), ['martin.lopez@firma.example'])
  assert.deepEqual(await like('lopez_martin@web.example'), ['martin.lopez@firma.example'])
  assert.deepEqual(await like('alice@example.com'), ['alice@exmaple.com'])
  assert.deepEqual(await like('alice@example.org'), ['alice@exmaple.com', 'alcie@example.org'])
  assert.deepEqual(await like('stranger@example.org'), [])
  for (let index = 0; index < 6; index++) await sell(`alice@${index}.example`)
  assert.equal((await like('alice@example.com')).length, 4)
})
