import { z } from 'zod'
import { DELIVERY_STATES } from '../delivery/types.ts'

/**
 * Which deliveries are meant. All conditions given must be true; none means all deliveries. Letters count as equal in
 * upper and lower case. Times are of the last activity, ms since 1970.
 */
export const filterSchema = z.strictObject({
  id: z.string().optional(),
  /** The whole address. */
  email: z.string().optional(),
  /** How the address begins. */
  emailPrefix: z.string().optional(),
  username: z.string().optional(),
  /** A course key as the shop sent it. */
  course: z.string().optional(),
  /** What an operator types: the beginning of an address, or a username. */
  word: z.string().optional(),
  states: z.array(z.enum(DELIVERY_STATES)).optional(),
  /** From this time on, and before that one. */
  from: z.number().optional(),
  to: z.number().optional(),
})
export type DeliveryFilter = Readonly<z.infer<typeof filterSchema>>

const COURSE = /^course-v1:|^[^/@\s]+\/[^/@\s]+\/[^/@\s]+$/

/** What a person types into a search field: a delivery's id, a course key, an address or its beginning, a username. */
export function readSearch(text: string): DeliveryFilter {
  const word = text.trim()
  if (word === '') return {}
  if (/^[0-9A-Z]{26}$/i.test(word)) return { id: word.toUpperCase() }
  if (COURSE.test(word)) return { course: word }
  return word.includes('@') ? { emailPrefix: word } : { word }
}
