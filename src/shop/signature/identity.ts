import { createHmac, timingSafeEqual } from 'node:crypto'

/** Of a request: asks who answers. Of its answer: the proof. */
export const CHALLENGE_HEADER = 'x-lernito-challenge'
export const PROOF_HEADER = 'x-lernito-proof'

/** A proof is of use for nothing else: its key is derived, and no JSON has the signature of this text. */
const PURPOSE = 'lernito-openedx: which service answers'
const CHALLENGE = /^([0-9a-f]{32})\.([0-9a-f]{64})$/

/** A question to the service at an address, which only one with this webhook secret answers. `nonce`: 32 hex digits. */
export function challengeOf({ secret, nonce }: { secret: string; nonce: string }): string {
  return `${nonce}.${hmac({ secret, text: `challenge ${nonce}` })}`
}

/**
 * The answer of a replica, by its name in the database; null if the challenge was made with another secret. So who doesn't
 * know the secret gets no answer, by which to guess secrets.
 */
export function proofOf(of: { challenge: string; secret: string; replica: string }): string | null {
  const { challenge, secret, replica } = of
  const [, nonce = '', given = ''] = CHALLENGE.exec(challenge) ?? []
  if (!isEqual(given, hmac({ secret, text: `challenge ${nonce}` }))) return null
  return hmac({ secret, text: `proof ${nonce} ${replica}` })
}

/** Whether one of these replicas gave this proof. */
export const isProven = (of: { proof: string; nonce: string; secret: string; replicas: readonly string[] }): boolean =>
  of.replicas.some((replica) => isEqual(of.proof, hmac({ secret: of.secret, text: `proof ${of.nonce} ${replica}` })))

function hmac({ secret, text }: { secret: string; text: string }): string {
  const key = createHmac('sha256', secret).update(PURPOSE).digest()
  return createHmac('sha256', key).update(text).digest('hex')
}

const isEqual = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))
