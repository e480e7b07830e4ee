import { z } from 'zod'
import { DELIVERY_STATES } from '../delivery/types.ts'

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
  /** A search word: the beginning of an address, a username, or a webhook-id, which alone is compared exactly. */
  word: z.string().optional(),
  /** The id of a bulk replay that made the delivery due. */
  replay: z.string().optional(),
  states: z.array(z.enum(DELIVERY_STATES)).optional(),
  /** `from` is inclusive, `to` is exclusive. */
  from: z.number().optional(),
  to: z.number().optional(),
})
export type DeliveryFilter = Readonly<z.infer<typeof filterSchema>>

const COURSE = /^course-v1:|^[^/@\s]+\/[^/@\s]+\/[^/@\s]+$/

/** Reads the text of a search field: a delivery's id, a course key, an address or its beginning, a username, or a webhook-id. */
export function readSearch(text: string): DeliveryFilter {
  const word = text.trim()
  if (word === '') return {}
  if (/^[0-9A-Z]{26}$/i.test(word)) return { id: word.toUpperCase() }
  if (COURSE.test(word)) return { course: word }
  return word.includes('@') ? { emailPrefix: word } : { word }
}
