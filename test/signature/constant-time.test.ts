import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

const SIGNATURE = textOf('src/signature/signature.ts')
const verify = /export function verify\([\s\S]*?\n}\n/.exec(SIGNATURE)?.[0] ?? ''
const loops = /\n {2}for [\s\S]*\n {2}}\n/.exec(verify)?.[0] ?? ''

// Whether code takes constant time can't be seen from a clock on a shared machine. These rules are what it rests on.

test('a webhook’s signature is compared in one place', () => {
  const files = globSync(['src/signature/*.ts', 'src/webhook/*.ts', 'src/http/*.ts'], { cwd: ROOT })
  const places = files.filter((file) => textOf(file).includes('timingSafeEqual('))
  assert.deepEqual(places, ['src/signature/signature.ts'])
  assert.equal(SIGNATURE.match(/timingSafeEqual\(/g)?.length, 1)
})

test('every form is tried with every secret: neither loop ends early, and a match changes nothing but the result', () => {
  assert.match(loops, /of input\.secrets\.entries\(\)/)
  assert.match(loops, /const equal = timingSafeEqual\(hmac\(secret, signed\), given\)/)
  assert.match(loops, /if \(equal && match === null\) match = /)
  assert.doesNotMatch(loops, /return|break|continue|throw|await/)
})

test('both sides have 32 bytes: the header is decoded only after it was seen to be 64 hex digits', () => {
  assert.match(
    verify,
    /if \(!isSignature\(input\.header\)\) return null\n {2}const given = Buffer\.from\(input\.header, 'hex'\)/,
  )
  assert.match(SIGNATURE, /const SIGNATURE = \/\^\[0-9a-f\]\{64\}\$\/\n/)
})
