import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const ALGORITHM = 'aes-256-gcm'
const [NONCE, TAG] = [12, 16]

/** Each `use` has its own key. */
const keyFrom = (token: string, use: string): Buffer => Buffer.from(hkdfSync('sha256', token, '', use, 32))

/**
 * Encrypts a text for the database or an address, so that only the owner of the token can read it: the browser has the
 * token, and the database has its hash.
 */
export function seal({ text, token, use }: { text: string; token: string; use: string }): string {
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv(ALGORITHM, keyFrom(token, use), nonce)
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')
}

/** Returns the sealed text; null if it has another token or use, or was changed. */
export function unseal({ sealed, token, use }: { sealed: string; token: string; use: string }): string | null {
  const bytes = Buffer.from(sealed, 'base64')
  try {
    // Without the length, Node takes a tag of 4 bytes for a whole one, and 4 bytes can be guessed.
    const decipher = createDecipheriv(ALGORITHM, keyFrom(token, use), bytes.subarray(0, NONCE), { authTagLength: TAG })
    decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]).toString('utf8')
  } catch {
    return null
  }
}
