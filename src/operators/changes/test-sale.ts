import type { WriteContext } from '../../database/write-context.ts'
import { accept } from '../../queue/accept.ts'
import { type AuditedResult, auditedChange } from '../../queue/audited-change.ts'
import { testSale } from '../../sale/payload/operator-sale.ts'
import type { FieldErrors } from '../../sale/payload/rules.ts'

export interface TestSale {
  readonly email: string
  readonly courseIds: readonly string[]
  /** Makes it another sale than all others. The same one again is a repeat. */
  readonly nonce: string
  readonly by: string
}

export type TestSold =
  | { readonly kind: 'sold'; readonly id: string }
  | { readonly kind: 'invalid'; readonly errors: FieldErrors }

/** See Operations.testSale. */
export async function sellTest(context: WriteContext, { by, ...of }: TestSale): Promise<AuditedResult<TestSold>> {
  const sale = testSale(of)
  if ('errors' in sale) return { result: { kind: 'invalid', errors: sale.errors }, events: [] }
  return auditedChange<TestSold>(context, async (writing) => {
    const [change] = await accept({ ...writing, me: null }, [sale.webhook])
    if (change === undefined) throw new Error('the test sale was not stored')
    return { result: { kind: 'sold', id: change.id }, listed: change.drafts.map((draft) => ({ ...draft, actor: by })) }
  })
}
