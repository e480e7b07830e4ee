import { createHmac, timingSafeEqual } from 'node:crypto'
import { asSent, variants } from './examine.ts'
import { keyOf, readStandard, type StandardFault, TOLERANCE_S } from './standard.ts'

/** A change to the signature, the signed text or the secret after which the signature matches. */
export type StandardAdjustment =
  | 'no_version'
  | 'hex'
  | 'body_only'
  | 'without_id'
  | 'line_breaks'
  | 'last_line_break'
  | 'secret_as_text'
  | 'secret_as_base64'
  | 'secret_line_break'

/** The result for the three headers of Standard Webhooks and a body. It contains neither a secret nor a signature. */
export interface StandardExamined {
  /** Each header that doesn't have its form. */
  readonly faults: readonly Exclude<StandardFault, 'signature' | 'too_old' | 'too_new'>[]
  readonly match: { readonly previousSecret: boolean } | null
  /** What had to change for the match. Empty if the service accepts the signature as it is. */
  readonly adjustments: readonly StandardAdjustment[]
  /** Seconds since the timestamp, negative in the future; null if it can't be read. */
  readonly age: number | null
  /** Whether the service accepts this age. */
  readonly inTime: boolean
}

interface Candidate<Value> {
  readonly value: Value
  readonly adjustments: readonly StandardAdjustment[]
}

/**
 * Checks each header by itself, and finds the common mistake that explains why a signature doesn't match.
 * @param from.body as a browser sends a text field: with CRLF for each line break
 * @param from.secrets the current one first
 * @param from.now ms since 1970
 */
export function examineStandard(from: {
  body: string
  id: string
  timestamp: string
  signature: string
  secrets: readonly string[]
  now: number
}): StandardExamined {
  const { id, timestamp, signature, secrets, now } = from
  const faults = faultsOf({ id, timestamp, signature })
  const found: (StandardExamined['match'] & { adjustments: StandardAdjustment[] })[] = []
  for (const [index, secret] of secrets.entries()) {
    for (const key of keys(secret)) {
      for (const text of signedTexts({ ...from, body: asSent(from.body) })) {
        const right = createHmac('sha256', key.value).update(text.value).digest()
        for (const given of readings(signature)) {
          if (!timingSafeEqual(given.value, right)) continue
          const adjustments = [...given.adjustments, ...text.adjustments, ...key.adjustments]
          found.push({ previousSecret: index > 0, adjustments })
        }
      }
    }
  }
  const [best] = found.sort((a, b) => a.adjustments.length - b.adjustments.length)
  const age = faults.includes('timestamp') ? null : Math.floor(now / 1000) - Number(timestamp)
  return {
    faults,
    match: best === undefined ? null : { previousSecret: best.previousSecret },
    adjustments: best?.adjustments ?? [],
    age,
    inTime: age !== null && Math.abs(age) <= TOLERANCE_S,
  }
}

/** Every header is judged with two others that are right, because the service names only the first fault. */
function faultsOf(headers: { id: string; timestamp: string; signature: string }): StandardExamined['faults'] {
  const right = { id: 'msg_1', timestamp: '0', signature: `v1,${'A'.repeat(43)}=` }
  const { id, timestamp, signature } = headers
  return [
    ...(typeof readStandard({ ...right, id }) === 'string' ? (['webhook_id'] as const) : []),
    ...(typeof readStandard({ ...right, timestamp }) === 'string' ? (['timestamp'] as const) : []),
    ...(typeof readStandard({ ...right, signature }) === 'string' ? (['signature_format'] as const) : []),
  ]
}

/** The keys that a sender may have made of a secret; the service's own comes first. */
function keys(secret: string): Candidate<Buffer>[] {
  const key = keyOf(secret)
  const isPrefixed = secret.startsWith('whsec_')
  return [
    ...(key === null ? [] : [{ value: key, adjustments: [] }]),
    isPrefixed
      ? { value: Buffer.from(secret), adjustments: ['secret_as_text'] as const }
      : { value: Buffer.from(secret, 'base64'), adjustments: ['secret_as_base64'] as const },
    { value: Buffer.from(`${secret}\n`), adjustments: ['secret_line_break'] as const },
  ]
}

function signedTexts({ id, timestamp, body }: { id: string; timestamp: string; body: string }): Candidate<string>[] {
  return variants(body).flatMap((text) => [
    { value: `${id}.${timestamp}.${text.body}`, adjustments: text.adjustments },
    { value: text.body, adjustments: [...text.adjustments, 'body_only'] },
    { value: `${timestamp}.${text.body}`, adjustments: [...text.adjustments, 'without_id'] },
  ])
}

/** The signatures in the header, of 32 bytes each, in base64 or hex, with or without a version before them. */
function readings(header: string): Candidate<Buffer>[] {
  const entries = header.split(/[\s,]+/).filter((entry) => entry !== '' && !/^v\d+a?$/.test(entry))
  const version: StandardAdjustment[] = header.includes('v1,') ? [] : ['no_version']
  return entries.flatMap((entry): Candidate<Buffer>[] => {
    const isHex = /^[0-9a-f]{64}$/i.test(entry)
    const value = Buffer.from(entry, isHex ? 'hex' : 'base64')
    return value.length === 32 ? [{ value, adjustments: [...version, ...(isHex ? (['hex'] as const) : [])] }] : []
  })
}
