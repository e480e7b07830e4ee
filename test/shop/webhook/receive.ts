import { mediaTypeRefusal, readSale, verifyRequest } from '../../../src/shop/webhook/receive.ts'

/** Judges one webhook as its route does: the request, then the sale. `errors`: what breaks the payload rules. */
export function receive(request: Parameters<typeof verifyRequest>[0]) {
  const verified = mediaTypeRefusal(request.headers) ?? verifyRequest(request)
  if ('code' in verified) return { kind: 'refused', ...verified } as const
  const { form, secretIndex } = verified
  const { body: _, request: sale, reason, ...stored } = readSale(verified)
  const common = { ...stored, form, secretIndex }
  if (sale !== null) return { kind: 'signed', ...common, request: sale } as const
  const errors: unknown = JSON.parse(reason?.subject ?? '')
  return { kind: 'invalid', ...common, errors } as const
}
export type Received = ReturnType<typeof receive>
