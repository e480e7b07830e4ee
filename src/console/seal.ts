import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const ALGORITHM = 'aes-256-gcm'
const [NONCE, TAG] = [12, 16]

/** `use` keeps keys for different uses apart. */
const keyFrom = (token: string, use: string): Buffer => Buffer.from(hkdfSync('sha256', token, '', use, 32))

/**
 * Encrypts a text for the database, so that only whoever has the token can read it: the browser has that, the database
 * its hash.
 */
export function seal({ text, token, use }: { text: string; token: string; use: string }): string {
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv(ALGORITHM, keyFrom(token, use), nonce)
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')
}

/** What was sealed; null if it was with another token or for another use, or has been changed. */
export function unseal({ sealed, token, use }: { sealed: string; token: string; use: string }): string | null {
  const bytes = Buffer.from(sealed, 'base64')
  try {
    const decipher = createDecipheriv(ALGORITHM, keyFrom(token, use), bytes.subarray(0, NONCE))
    decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]).toString('utf8')
  } catch {
    return null
  }
}
