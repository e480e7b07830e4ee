const SECRET_PREFIX = 'whsec_'
/** With its padding, without which most languages read another key or none. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * The key of Standard Webhooks that a secret stands for: after `whsec_`, the rest as base64; otherwise the secret as UTF-8.
 * null if the rest is not base64, or empty.
 */
export function keyOf(secret: string): Buffer | null {
  if (!secret.startsWith(SECRET_PREFIX)) return Buffer.from(secret)
  const rest = secret.slice(SECRET_PREFIX.length)
  return rest !== '' && BASE64.test(rest) ? Buffer.from(rest, 'base64') : null
}
