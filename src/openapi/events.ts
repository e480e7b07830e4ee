import { EVENT_TYPES } from './delivery-schemas.ts'

const header = (name: string, description: string, schema: object) => ({
  name,
  in: 'header',
  required: true,
  description,
  schema,
})

const HEADERS = [
  header('webhook-id', 'The same for each attempt to send this event: do each id once.', { type: 'string' }),
  header('webhook-timestamp', 'The time of the attempt in seconds since 1970.', {
    type: 'string',
    pattern: '^[0-9]+$',
  }),
  header(
    'webhook-signature',
    'v1, and in base64 the HMAC-SHA256 of id, timestamp and body with dots between them. The key is what LERNITO_EVENTS_SECRET has after whsec_, decoded from base64.',
    { type: 'string', pattern: '^v1,[A-Za-z0-9+/]{43}=$' },
  ),
]

const ANSWERS = {
  '2XX': { description: 'The shop has the event.' },
  410: { description: 'The shop wants no more events.' },
  default: { description: 'Not accepted: the event is sent again for three days. Redirects are not followed.' },
}

/** The events that the service posts to LERNITO_EVENTS_URL, as webhooks of OpenAPI 3.1. */
export const EVENT_WEBHOOKS = Object.fromEntries(
  Object.entries(EVENT_TYPES).map(([type, summary]) => [
    type,
    {
      post: {
        operationId: type.replace(/[._](\w)/g, (_match, letter: string) => letter.toUpperCase()),
        summary,
        tags: ['events'],
        parameters: HEADERS,
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: { allOf: [{ $ref: '#/components/schemas/Event' }, { properties: { type: { const: type } } }] },
            },
          },
        },
        responses: ANSWERS,
      },
    },
  ]),
)
