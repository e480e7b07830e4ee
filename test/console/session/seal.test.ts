import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seal, unseal } from '../../../src/console/session/seal.ts'

const of = { text: 'a refresh token', token: 'of the browser', use: 'refresh token' }

test('a sealed text can be read with the token, and each sealed text is different', () => {
  const sealed = seal(of)
  assert.equal(unseal({ ...of, sealed }), of.text)
  assert.notEqual(seal(of), sealed)
  assert.ok(!Buffer.from(sealed, 'base64').toString('latin1').includes(of.text))
})

test('another token, another use, and a changed or cut text return null', () => {
  const sealed = seal(of)
  const bytes = Buffer.from(sealed, 'base64')
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  assert.equal(unseal({ ...of, sealed, token: 'of another' }), null)
  assert.equal(unseal({ ...of, sealed, use: 'something else' }), null)
  assert.equal(unseal({ ...of, sealed: bytes.toString('base64') }), null)
  for (const length of [0, 5, 12, 20, 28]) {
    assert.equal(unseal({ ...of, sealed: bytes.subarray(0, length).toString('base64') }), null)
  }
})

test('a seal whose authentication tag was shortened returns null, with nothing sealed behind it, too', () => {
  const bytes = Buffer.from(seal({ ...of, text: '' }), 'base64')
  assert.equal(unseal({ ...of, sealed: bytes.toString('base64') }), '')
  for (const tag of [4, 8, 12, 13, 14, 15]) {
    assert.equal(unseal({ ...of, sealed: bytes.subarray(0, 12 + tag).toString('base64') }), null, `${tag} bytes`)
  }
})
