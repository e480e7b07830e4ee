type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type Fields = { [key: string]: Json }

const fieldsOf = (json: Json | undefined): Fields =>
  typeof json === 'object' && json !== null && !Array.isArray(json) ? json : {}
const listOf = (json: Json | undefined): Json[] => (Array.isArray(json) ? json : [])
const textOf = (json: Json | undefined): string => (typeof json === 'string' ? json : '')

/** A text of the document as Markdown, safe in a table and from the templates of the site. */
const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('|', '\\|')
    .replaceAll('{', '&#123;')
    .replaceAll('*', '\\*')
const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``

const table = (heading: readonly string[], rows: readonly (readonly string[])[]): string =>
  rows.length === 0
    ? ''
    : `${[heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')}\n`

const linkTo = (ref: string): string => {
  const name = ref.split('/').at(-1) ?? ''
  return `[${name}](#${name.toLowerCase()})`
}

const LIMITS: Readonly<Record<string, string>> = {
  minLength: 'at least {} characters',
  maxLength: 'at most {} characters',
  minItems: 'at least {} entries',
  maxItems: 'at most {} entries',
  minimum: 'at least {}',
  maximum: 'at most {}',
  format: 'format {}',
}

/** A longer pattern explains nothing in a table; the document has it. */
const PATTERN_LENGTH = 40

/** What a value may be, in a few words. */
function typeOf(json: Json | undefined): string {
  const schema = fieldsOf(json)
  if ('$ref' in schema) return linkTo(textOf(schema.$ref))
  if ('const' in schema) return code(JSON.stringify(schema.const))
  if ('enum' in schema)
    return listOf(schema.enum)
      .map((one) => code(String(one)))
      .join(', ')
  const choices = [...listOf(schema.anyOf), ...listOf(schema.oneOf)]
  if (choices.length > 0) return choices.map(typeOf).join(', or ')
  const names = Array.isArray(schema.type) ? schema.type.map(String) : [textOf(schema.type) || 'any']
  const of = 'items' in schema ? ` of ${typeOf(schema.items)}` : ''
  const limits = Object.entries(LIMITS).flatMap(([key, words]) =>
    key in schema ? [words.replace('{}', String(schema[key]))] : [],
  )
  const pattern = textOf(schema.pattern)
  const shown = pattern !== '' && pattern.length <= PATTERN_LENGTH ? [`as ${code(pattern)}`] : []
  return [`${names.join(' or ')}${of}`, ...limits, ...shown].join(', ')
}

/** The fields of an object with those of the objects in it, each a row; a nested field has the names before it. */
function rowsOf({ json, before = '' }: { json: Json | undefined; before?: string }): string[][] {
  const schema = fieldsOf(json)
  const required = listOf(schema.required)
  return Object.entries(fieldsOf(schema.properties)).flatMap(([name, one]) => {
    const field = fieldsOf(one)
    const path = `${before}${name}`
    const presence = required.includes(name) ? 'always' : 'optional'
    const own = [code(path), typeOf(field), presence, escaped(textOf(field.description)) || '—']
    const inside = [field, ...listOf(field.anyOf)].flatMap((json) => rowsOf({ json, before: `${path}.` }))
    return [own, ...inside, ...rowsOf({ json: field.items, before: `${path}[].` })]
  })
}

const schemaIn = (of: Json | undefined): string => {
  const content = Object.values(fieldsOf(fieldsOf(of).content))
  return content.map((one) => typeOf(fieldsOf(one).schema)).join(', ') || '—'
}

/** A part of an operation, or the component that it refers to. */
function resolved(document: Fields, json: Json | undefined): Fields {
  const fields = fieldsOf(json)
  const path = textOf(fields.$ref).split('/').slice(1)
  return path.length === 0 ? fields : path.reduce((found, name) => fieldsOf(found[name]), document)
}

function operation({ document, title, json }: { document: Fields; title: string; json: Fields }): string {
  const parameters = listOf(json.parameters).map((one) => {
    const { name, in: place, description, schema } = resolved(document, one)
    return [code(textOf(name)), textOf(place), typeOf(schema), escaped(textOf(description)) || '—']
  })
  const responses = Object.entries(fieldsOf(json.responses)).map(([status, one]) => {
    const response = resolved(document, one)
    return [status, schemaIn(response), escaped(textOf(response.description))]
  })
  const schemes = listOf(json.security).flatMap((one) => Object.keys(fieldsOf(one)))
  return [
    `### ${title}\n\n`,
    `${escaped(textOf(json.summary) || textOf(json.description))}\n\n`,
    schemes.length > 0 ? `Signed by ${schemes.map((name) => linkTo(name)).join(' or ')}.\n\n` : '',
    'requestBody' in json ? `Body: ${schemaIn(json.requestBody)}\n\n` : '',
    table(['parameter', 'in', 'value', 'meaning'], parameters),
    table(['status', 'body', 'when'], responses),
  ].join('')
}

/** The same operation under another path is told once. */
const sameness = ({ operationId: _id, summary: _summary, ...rest }: Fields): string => JSON.stringify(rest)

function operations(document: Fields): string {
  const told = new Map<string, string>()
  return Object.entries(fieldsOf(document.paths))
    .flatMap(([path, methods]) =>
      Object.entries(fieldsOf(methods)).map(([method, one]) => {
        const title = `${method.toUpperCase()} ${path}`
        const json = fieldsOf(one)
        const first = told.get(sameness(json))
        told.set(sameness(json), first ?? title)
        return first === undefined
          ? operation({ document, title, json })
          : `### ${title}\n\nThe same as ${code(first)}.\n\n`
      }),
    )
    .join('')
}

const webhooks = (document: Fields): string =>
  Object.entries(fieldsOf(document.webhooks))
    .map(([name, methods]) => operation({ document, title: name, json: fieldsOf(fieldsOf(methods).post) }))
    .join('')

function schemas(document: Fields): string {
  return Object.entries(fieldsOf(fieldsOf(document.components).schemas))
    .map(([name, json]) => {
      const schema = fieldsOf(json)
      const rows = rowsOf({ json })
      const examples = listOf(schema.examples).map((one) => `\`\`\`json\n${JSON.stringify(one, null, 2)}\n\`\`\`\n\n`)
      const description = textOf(schema.description)
      return [
        `### ${name}\n\n`,
        description === '' ? '' : `${escaped(description)}\n\n`,
        rows.length > 0 ? table(['field', 'value', 'presence', 'meaning'], rows) : `${typeOf(json)}\n\n`,
        ...examples,
      ].join('')
    })
    .join('')
}

function signatures(document: Fields): string {
  return Object.entries(fieldsOf(fieldsOf(document.components).securitySchemes))
    .map(([name, json]) => {
      const { name: header, description } = fieldsOf(json)
      return `### ${name}\n\nThe header ${code(textOf(header))}. ${escaped(textOf(description))}\n\n`
    })
    .join('')
}

/** docs/reference/openapi.json as a page. */
export function openapiPage(document: Json): string {
  const fields = fieldsOf(document)
  const { title, summary } = fieldsOf(fields.info)
  return [
    `# OpenAPI document\n\n${escaped(textOf(title))}: ${escaped(textOf(summary))}\n\n`,
    'To generate a client or to validate requests, <a href="./openapi.json" target="_self">download the document</a>; a\n',
    'running service has it at `/lernito/openapi.json`. This page shows what it says.\n\n',
    `## What the service answers\n\n${operations(fields)}`,
    `## What the service sends\n\n${webhooks(fields)}`,
    `## Signatures\n\n${signatures(fields)}`,
    `## Bodies\n\n${schemas(fields)}`,
  ].join('')
}
