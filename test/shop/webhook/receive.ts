import { type Invalid, type Refused, readSale, type Signed, verifyRequest } from '../../../src/shop/webhook/receive.ts'

export type Received = Refused | Invalid | Signed

/** Judges one webhook as its route does: the request, then the sale. */
export function receive(request: Parameters<typeof verifyRequest>[0]): Received {
  const verified = verifyRequest(request)
  return verified.kind === 'refused' ? verified : readSale(verified)
}
