import { createHash } from 'node:crypto'

/**
 * By what forget finds the webhook-id of a refund that no delivery knows of.
 * @param address as it is stored: see emailTerm
 */
export const digestOfAddress = (address: string): string => createHash('sha256').update(address).digest('hex')
