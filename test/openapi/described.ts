import { z } from 'zod'
import { readDocument } from '../docs/documents.ts'

const schema = z.record(z.string(), z.unknown())
const content = z.object({ 'application/json': z.object({ schema }) }).optional()
const response = z.object({
  headers: z.record(z.string(), z.object({ required: z.boolean().optional(), schema })).optional(),
  content,
})
const operation = z.object({ requestBody: z.object({ content }).optional(), responses: z.record(z.string(), response) })
const operations = z.record(z.string(), z.record(z.string(), operation))
const documentShape = z.object({
  paths: operations,
  webhooks: operations,
  components: z.object({ schemas: z.record(z.string(), schema) }),
})

/** The document, as far as the tests look at it. */
export const DESCRIBED = documentShape.parse(JSON.parse(readDocument('docs/reference/openapi.json')))

/**
 * A schema of the document with what it refers to put in, as zod checks it. Without `format`, which JSON Schema takes
 * for a hint: zod's own idea of an e-mail address is narrower than Django's.
 */
export const checkOf = (part: unknown): z.ZodType =>
  z.fromJSONSchema(z.record(z.string(), z.json()).parse(inlined(part)))

function inlined(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(inlined)
  if (typeof part !== 'object' || part === null) return part
  if (!('$ref' in part)) {
    const entries = Object.entries(part).filter(([key]) => key !== 'format')
    return Object.fromEntries(entries.map(([key, value]) => [key, inlined(value)]))
  }
  const [, name = ''] = /^#\/components\/schemas\/(\w+)$/.exec(String(part.$ref)) ?? []
  const target = DESCRIBED.components.schemas[name]
  if (target === undefined) throw new Error(`there is no schema ${part.$ref}`)
  return inlined(target)
}

/** What the document has against an answer, in words; null if it is as described. */
export function complaintOf(of: {
  path: string
  method: string
  status: number
  headers: Readonly<Record<string, unknown>>
  text: string
}): string | null {
  const described = DESCRIBED.paths[of.path]?.[of.method.toLowerCase()]?.responses[of.status]
  if (described === undefined) return `${of.method} ${of.path} has no answer ${of.status}`
  for (const [name, { required = false, schema: shape }] of Object.entries(described.headers ?? {})) {
    const value = of.headers[name.toLowerCase()]
    if (value === undefined && required) return `${of.status} has no ${name}`
    const read = shape.type === 'integer' ? Number(value) : value
    if (value !== undefined && !checkOf(shape).safeParse(read).success) return `${name}: ${value} is not as described`
  }
  const shape = described.content?.['application/json'].schema
  if (shape === undefined) return of.text === '' ? null : `${of.status} has a body`
  const { success, error } = checkOf(shape).safeParse(JSON.parse(of.text))
  return success ? null : `${of.status} ${of.text}: ${error.message}`
}
