import { createHash } from 'node:crypto'
import { canonicalJson } from '../json/canonical.ts'
import type { Json } from '../json/json.ts'

/** The SHA-256 of the canonical JSON, in hex: equal for bodies that mean the same. It identifies a delivery. */
export const digestOf = (json: Json): string =>
  createHash('sha256')
    .update(canonicalJson(json, { spaces: false, ascii: true }))
    .digest('hex')
