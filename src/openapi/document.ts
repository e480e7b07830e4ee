import { SCHEMAS, type SchemaName } from './schemas.ts'

const FORMS =
  'HMAC-SHA256 with the shared secret, as 64 lower-case hex digits. Signed is the raw body, or its JSON as Python ' +
  'writes it with sorted keys: json.dumps(body, sort_keys=True), with or without separators=(",", ":") and ' +
  'ensure_ascii=False.'

const DELIVERY = {
  'X-Lernito-Delivery': {
    description: "The delivery's id, for questions to the operator. Only with a good signature.",
    schema: { type: 'string', pattern: '^[0-9A-HJKMNP-TV-Z]{26}$' },
  },
}
const RETRY_AFTER = {
  'Retry-After': { description: 'Seconds.', required: true, schema: { type: 'integer', minimum: 1 } },
}

const json = (schema: object) => ({ 'application/json': { schema } })
const ref = (name: SchemaName) => ({ $ref: `#/components/schemas/${name}` })

const answer = (description: string, name: SchemaName, headers?: object) => ({
  description,
  ...(headers === undefined ? {} : { headers }),
  content: json(ref(name)),
})

/** The answers to a webhook; docs/reference/webhook.md says what a sender does with each. */
const ANSWERS = {
  200: answer('Enrolled, or allowed until the buyer has an active account.', 'Done', DELIVERY),
  202: answer('Stored; instead of 200, 400 for a course key and 500 where nobody is waited for.', 'Done', DELIVERY),
  400: {
    description:
      'No JSON, wrong fields, a malformed course key, no such course, or refused by the LMS. Repeating does not help.',
    headers: DELIVERY,
    content: json({ anyOf: [ref('Invalid'), ref('Refused')] }),
  },
  401: answer('No signature, or a wrong one.', 'Refused'),
  408: answer('Not sent in time: 5 seconds for the headers, 10 in all. Nothing is stored.', 'Refused'),
  413: answer('The body is larger than 64 KiB (65,536 bytes).', 'Refused'),
  415: answer('Not application/json in UTF-8, or compressed.', 'Refused'),
  431: answer('More than 100 headers, or 16 KiB of them.', 'Refused'),
  500: answer('Stored, and not done in time: it goes on by itself. Repeating does no harm.', 'Refused', DELIVERY),
  503: answer('Not stored. Send it again.', 'Refused', RETRY_AFTER),
}

const webhook = (operation: string, summary: string) => ({
  post: {
    operationId: `${operation}`,
    summary,
    tags: ['webhook'],
    security: [{ signature: [] }],
    requestBody: { required: true, content: json(ref('Sale')) },
    responses: ANSWERS,
  },
  options: {
    operationId: `${operation}Description`,
    summary: 'How the original plugin describes itself',
    tags: ['webhook'],
    responses: { 200: answer('A description.', 'Description') },
  },
})

const get = (operationId: string, summary: string, responses: object) => ({
  get: { operationId, summary, tags: ['health'], responses },
})

/** The webhook and the health endpoints as an OpenAPI 3.1 document. `version` is this program's. */
export const openApiDocument = ({ version }: { version: string }) => ({
  openapi: '3.1.0',
  info: {
    title: 'lernito-openedx',
    version,
    summary: 'Turns the signed sale webhooks of a Lernito course shop into Open edX enrollments.',
    license: { name: 'AGPL-3.0-only', identifier: 'AGPL-3.0-only' },
  },
  servers: [{ url: '/' }],
  tags: [
    { name: 'webhook', description: 'What the shop sends.' },
    { name: 'health', description: 'What a load balancer or a cluster asks.' },
  ],
  paths: {
    '/api/lernito/webhook/': webhook('sell', 'Enroll a buyer'),
    '/lernito/webhook/': webhook('sellAtOldPath', 'The same, at the path where the original plugin has it'),
    '/healthz': get('alive', 'Is the process alive, and staying?', {
      200: answer('It is.', 'Alive'),
      503: answer('It has been told to stop.', 'Stopping'),
    }),
    '/readyz': get('ready', 'Does it accept webhooks?', {
      200: answer('It does.', 'Ready'),
      503: answer('The database is away, or the service is stopping.', 'NotReady'),
    }),
    '/lernito/openapi.json': {
      get: {
        operationId: 'describe',
        summary: 'This document',
        tags: ['health'],
        responses: { 200: { description: 'OpenAPI 3.1.', content: json({ type: 'object' }) } },
      },
    },
  },
  components: {
    securitySchemes: {
      signature: { type: 'apiKey', in: 'header', name: 'X-Lernito-Signature', description: FORMS },
    },
    schemas: SCHEMAS,
  },
})
