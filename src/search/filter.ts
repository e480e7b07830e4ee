import { z } from 'zod'
import { DELIVERY_STATES, REASON_CODES } from '../delivery/types.ts'

/**
 * Selects deliveries. All given conditions must be true; without a condition, it selects all deliveries. Letter case does
 * not matter. Times are those of the last activity, in ms since 1970.
 */
export const filterSchema = z.strictObject({
  id: z.string().optional(),
  /** The complete address. */
  email: z.string().optional(),
  /** The beginning of the address. */
  emailPrefix: z.string().optional(),
  username: z.string().optional(),
  /** A course key as the shop sent it. */
  course: z.string().optional(),
  /** The text of a search: parts of an address, name, username or course key, or the beginning of an id; see finder.ts. */
  find: z.string().optional(),
  /** What a search for one word was before `find`: the beginning of an address, or a username. */
  word: z.string().optional(),
  /** Why it failed: the code of the reason. */
  cause: z.enum(REASON_CODES).optional(),
  /** With `cause`: the course that the reason is about. */
  about: z.string().optional(),
  /** The id of a bulk replay that made the delivery due. */
  replay: z.string().optional(),
  states: z.array(z.enum(DELIVERY_STATES)).optional(),
  /** `from` is inclusive, `to` is exclusive. */
  from: z.number().optional(),
  to: z.number().optional(),
})
export type DeliveryFilter = Readonly<z.infer<typeof filterSchema>>

/** Reads the text of a search field. */
export function readSearch(text: string): DeliveryFilter {
  const find = text.trim()
  return find === '' ? {} : { find }
}
