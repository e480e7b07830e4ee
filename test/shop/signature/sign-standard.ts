import { signStandardWebhook } from '../../../src/shop/signature/standard.ts'

/** The value of webhook-signature. `timestamp`: seconds since 1970. */
export const signStandard = (of: {
  id: string
  timestamp: number
  body: string | Uint8Array
  secret: string
}): string => signStandardWebhook({ ...of, now: of.timestamp * 1000 })['webhook-signature']
