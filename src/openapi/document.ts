import { EVENT_WEBHOOKS } from './events.ts'
import { SCHEMAS, type SchemaName } from './schemas.ts'

const FORMS =
  'HMAC-SHA256 with the shared secret, as 64 lower-case hex digits. The signature is of the raw body, or of its JSON as ' +
  'Python writes it with sorted keys: json.dumps(body, sort_keys=True), with or without separators=(",", ":") and ' +
  'ensure_ascii=False.'

const STANDARD =
  'Standard Webhooks 1.0: "v1," and the HMAC-SHA256 of the webhook-id, the webhook-timestamp and the raw body, joined with ' +
  'dots, in base64; at most 20 signatures, separated by spaces. The key is what follows whsec_ in the secret, decoded ' +
  'from base64, or else the secret as UTF-8. If this header is there, X-Lernito-Signature is ignored.'

/** The other two headers of Standard Webhooks. Without webhook-signature, they are ignored. */
const STANDARD_PARAMETERS = [
  {
    name: 'webhook-id',
    in: 'header',
    description:
      "Required with webhook-signature: the shop's name for this webhook, which it keeps when it sends the webhook again. " +
      'Another sale under a known id is not processed, and gets the answer of the first one.',
    schema: { type: 'string', pattern: '^[!-~]{1,256}$' },
  },
  {
    name: 'webhook-timestamp',
    in: 'header',
    description:
      "Required with webhook-signature: the time in whole seconds since 1970, at most 300 from the service's clock.",
    schema: { type: 'string', pattern: '^(0|[1-9][0-9]{0,11})$' },
  },
]

const DELIVERY = {
  'X-Lernito-Delivery': {
    description: "The delivery's id, for questions to the operator. Sent only if the signature is valid.",
    schema: { type: 'string', pattern: '^[0-9A-HJKMNP-TV-Z]{26}$' },
  },
}
const RETRY_AFTER = {
  'Retry-After': {
    description: 'The number of seconds to wait.',
    required: true,
    schema: { type: 'integer', minimum: 1 },
  },
}

const json = (schema: object) => ({ 'application/json': { schema } })
const ref = (name: SchemaName) => ({ $ref: `#/components/schemas/${name}` })

const answer = (description: string, name: SchemaName, headers?: object) => ({
  description,
  ...(headers === undefined ? {} : { headers }),
  content: json(ref(name)),
})

/** The answers to a webhook; docs/reference/webhook.md describes what a sender does with each. */
const ANSWERS = {
  200: answer('The buyer is enrolled, or pre-enrolled until they have an active account.', 'Done', DELIVERY),
  202: answer(
    'The sale is stored. Sent instead of 200, 500 and the 400 for a course if the service is set not to wait.',
    'Done',
    DELIVERY,
  ),
  400: {
    description:
      'Not JSON, invalid fields, a malformed course key, a course that does not exist, or a refusal of the LMS. Sending it again does not help.',
    headers: DELIVERY,
    content: json({ anyOf: [ref('Invalid'), ref('Refused')] }),
  },
  401: answer('The signature is missing, wrong or too old.', 'Refused'),
  408: answer(
    'The request took too long: over 5 seconds for the headers, or over 10 in total. Nothing is stored.',
    'Refused',
  ),
  413: answer('The body is larger than 64 KiB (65,536 bytes).', 'Refused'),
  415: answer('The body is not application/json in UTF-8, or is compressed.', 'Refused'),
  431: answer('More than 100 headers, or more than 16 KiB of headers.', 'Refused'),
  500: answer(
    'The sale is stored, but not enrolled in time. The service continues. Sending it again does no harm.',
    'Refused',
    DELIVERY,
  ),
  503: answer('The sale is not stored. Send it again.', 'Refused', RETRY_AFTER),
}

const webhook = (operation: string, summary: string) => ({
  post: {
    operationId: `${operation}`,
    summary,
    tags: ['webhook'],
    security: [{ signature: [] }, { standardWebhooks: [] }],
    parameters: STANDARD_PARAMETERS,
    requestBody: { required: true, content: json(ref('Sale')) },
    responses: ANSWERS,
  },
  options: {
    operationId: `${operation}Description`,
    summary: 'The description that the original plugin gives of itself',
    tags: ['webhook'],
    responses: { 200: answer('A description.', 'Description') },
  },
})

const STATUS_ANSWERS = {
  200: answer('The state and the result of each delivery.', 'Status'),
  400: {
    description: 'Not JSON, or invalid fields.',
    content: json({ anyOf: [ref('Invalid'), ref('Refused')] }),
  },
  401: ANSWERS[401],
  408: answer('The request took too long: over 5 seconds for the headers, or over 10 in total.', 'Refused'),
  413: ANSWERS[413],
  415: ANSWERS[415],
  431: ANSWERS[431],
  503: answer('The service is too busy, stopping, or has no database. Ask again.', 'Refused', RETRY_AFTER),
}

const STATUS = {
  post: {
    operationId: 'status',
    summary: 'Ask for the results of sales',
    tags: ['webhook'],
    security: [{ signature: [] }],
    requestBody: { required: true, content: json(ref('StatusRequest')) },
    responses: STATUS_ANSWERS,
  },
}

const REFUND_ANSWERS = {
  ...ANSWERS,
  200: answer('The buyer is out of every course, or has bought it again since.', 'Done', DELIVERY),
  202: answer('The refund is stored, and not carried out in time. The service continues.', 'Done', DELIVERY),
  400: {
    description:
      'Not JSON, invalid fields, a malformed course key, the webhook-id of a sale, or a course that the buyer could not be withdrawn from.',
    headers: DELIVERY,
    content: json({ anyOf: [ref('Invalid'), ref('Refused')] }),
  },
  404: answer(
    'No sale of one of the courses to this buyer is known, and nothing is withdrawn. Or refunds are off.',
    'Refused',
  ),
  500: answer('The LMS failed until the last attempt. Ask the operator.', 'Refused', DELIVERY),
  503: answer('The refund is not stored. Send it again.', 'Refused', RETRY_AFTER),
}

const REFUND = {
  post: {
    operationId: 'refund',
    summary: 'Take a buyer out of courses again, if the operator has turned refunds on',
    tags: ['webhook'],
    security: [{ signature: [] }, { standardWebhooks: [] }],
    parameters: STANDARD_PARAMETERS,
    requestBody: { required: true, content: json(ref('Sale')) },
    responses: REFUND_ANSWERS,
  },
}

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
    { name: 'webhook', description: 'The requests of the shop.' },
    { name: 'events', description: 'What the service posts to the shop.' },
    { name: 'health', description: 'The checks of a load balancer or a cluster.' },
  ],
  paths: {
    '/api/lernito/webhook/': webhook('sell', 'Enroll a buyer'),
    '/lernito/webhook/': webhook('sellAtOldPath', 'The same, at the path of the original plugin'),
    '/api/lernito/status/': STATUS,
    '/api/lernito/refund/': REFUND,
    '/healthz': get('alive', 'Whether the process is alive and not stopping', {
      200: answer('It is alive.', 'Alive'),
      503: answer('It is stopping.', 'Stopping'),
    }),
    '/readyz': get('ready', 'Whether it accepts webhooks', {
      200: answer('It accepts webhooks.', 'Ready'),
      503: answer('The database is unavailable, or the service is stopping.', 'NotReady'),
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
  webhooks: EVENT_WEBHOOKS,
  components: {
    securitySchemes: {
      signature: { type: 'apiKey', in: 'header', name: 'X-Lernito-Signature', description: FORMS },
      standardWebhooks: { type: 'apiKey', in: 'header', name: 'webhook-signature', description: STANDARD },
    },
    schemas: SCHEMAS,
  },
})
