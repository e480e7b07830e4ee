import { DELIVERY_SCHEMAS } from './delivery-schemas.ts'
import { closed, text } from './schema-parts.ts'

/** The payload of a webhook. The descriptions state what a schema can't; docs/reference/webhook.md has every rule. */
const Sale = {
  type: 'object',
  description:
    'A sale. Texts are trimmed, and a number counts as the text that Python writes for it. Other fields are ignored.',
  required: ['email', 'name', 'family', 'username', 'courseIds'],
  properties: {
    email: {
      description: "The buyer's address, by which they are enrolled. It must be valid by the rules of Django 4.2.",
      type: 'string',
      format: 'email',
      minLength: 1,
      maxLength: 254,
    },
    name: text('Checked, but has no effect on the enrollment.'),
    family: text('Checked, but has no effect on the enrollment.'),
    username: text('Checked, but has no effect on the enrollment.'),
    courseIds: {
      description: 'Each key is checked; if one is wrong, the buyer is enrolled in none of the courses.',
      type: 'array',
      minItems: 1,
      items: {
        description: 'A course key, such as course-v1:edX+DemoX+Demo_Course, or the old edX/DemoX/Demo_Course.',
        type: 'string',
        maxLength: 255,
        pattern: '^[^\\u0000- ]+[:/][^\\u0000- ]+$',
      },
    },
  },
  examples: [
    {
      email: 'alice@example.com',
      name: 'Alice',
      family: 'Ahl',
      username: 'alice',
      courseIds: ['course-v1:edX+DemoX+Demo_Course'],
    },
  ],
}

const complaints = { type: 'array', items: { type: 'string' }, minItems: 1 }

const Done = closed({ success: { const: true }, message: { type: 'string' } })

const Refused = closed(
  {
    success: { const: false },
    message: { description: 'The reason, as a text.', type: 'string' },
    detail: {
      description: 'The same text as message, in the answers where the original plugin has only detail.',
      type: 'string',
    },
  },
  ['detail'],
)

const Invalid = closed({
  success: { const: false },
  message: {
    description: 'The errors by field; in a list, by the index of the wrong entry, from 0.',
    type: 'object',
    minProperties: 1,
    additionalProperties: {
      anyOf: [complaints, { type: 'object', minProperties: 1, additionalProperties: complaints }],
    },
  },
})

const Description = closed({
  name: { type: 'string' },
  description: { type: 'string' },
  renders: complaints,
  parses: complaints,
})

const Alive = closed({ status: { const: 'alive' } })
const Stopping = closed({ status: { const: 'stopping' } })
const Ready = closed({ status: { const: 'ready' } })
const NotReady = closed({ status: { const: 'not ready' }, reason: { type: 'string' } })

/** The requests and the answers, as JSON Schema. */
export const SCHEMAS = {
  Sale,
  Done,
  Refused,
  Invalid,
  Description,
  ...DELIVERY_SCHEMAS,
  Alive,
  Stopping,
  Ready,
  NotReady,
} as const

export type SchemaName = keyof typeof SCHEMAS
