/** What Python's `str.strip` takes off: an engine's own `\s` differs from it, and from the next engine's. */
const SPACE = '\\t-\\r\\u001c- \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
/** Not empty when it is trimmed, and without a NUL. */
const PATTERN = `^[^\\u0000]*[^${SPACE}\\u0000][^\\u0000]*$`

const text = (description: string, more: object = {}) => ({
  description,
  type: ['string', 'number'],
  minLength: 1,
  maxLength: 255,
  pattern: PATTERN,
  ...more,
})

/** The payload of a webhook. What a schema can't say stands in the descriptions; docs/reference/webhook.md has every rule. */
const Sale = {
  type: 'object',
  description:
    'A sale. Texts are trimmed, and a number is taken as the text that Python writes for it. Further fields are ignored.',
  required: ['email', 'name', 'family', 'username', 'courseIds'],
  properties: {
    email: {
      description: "The buyer's address, by which they are enrolled. Django 4.2 decides what is one.",
      type: 'string',
      format: 'email',
      minLength: 1,
      maxLength: 254,
    },
    name: text('Checked, without effect on the enrollment.'),
    family: text('Checked, without effect on the enrollment.'),
    username: text('Checked, without effect on the enrollment.'),
    courseIds: {
      description: 'Checked one by one; if one is wrong, the buyer is enrolled in none.',
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

const closed = (properties: Readonly<Record<string, unknown>>, optional: readonly string[] = []) => ({
  type: 'object',
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  properties,
  additionalProperties: false,
})

const complaints = { type: 'array', items: { type: 'string' }, minItems: 1 }

const Done = closed({ success: { const: true }, message: { type: 'string' } })

const Refused = closed(
  {
    success: { const: false },
    message: { description: 'Why, in words.', type: 'string' },
    detail: { description: 'The same as message, where the original plugin has only this.', type: 'string' },
  },
  ['detail'],
)

const Invalid = closed({
  success: { const: false },
  message: {
    description: 'What is wrong, by field; in a list, by the index of the wrong entry from 0.',
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

/** What goes in and what comes out, as JSON Schema. */
export const SCHEMAS = { Sale, Done, Refused, Invalid, Description, Alive, Stopping, Ready, NotReady } as const

export type SchemaName = keyof typeof SCHEMAS
