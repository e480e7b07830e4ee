import { closed, text } from './schema-parts.ts'

const ID = { type: 'string', pattern: '^[0-9A-HJKMNP-TV-Z]{26}$' }

/** What the shop sees of a delivery, in an event and in the answer of the status endpoint. */
const DELIVERY = {
  id: { description: "The delivery's id, as in X-Lernito-Delivery.", ...ID },
  webhookId: {
    description: 'The webhook-id that the shop sent the sale with; null without one.',
    type: ['string', 'null'],
  },
  state: {
    description: 'docs/reference/states-and-reasons.md describes each.',
    enum: ['queued', 'enrolled', 'pre_enrolled', 'needs_attention', 'rejected', 'handled', 'withdrawn'],
  },
  courses: {
    description: 'The courses that are done, by the course keys of the LMS.',
    type: 'array',
    items: closed({ id: { type: 'string' }, result: { enum: ['enrolled', 'pre_enrolled'] } }),
  },
  reason: {
    description: 'Why it did not succeed; null if it did, or if it is not settled. More codes may be added.',
    anyOf: [closed({ code: { type: 'string' }, message: { type: 'string' } }), { type: 'null' }],
  },
  replaces: { description: 'The delivery that this one corrects.', anyOf: [ID, { type: 'null' }] },
  replacedBy: { description: 'The delivery that corrects this one.', anyOf: [ID, { type: 'null' }] },
  test: { description: 'Whether it is a test sale by an operator.', type: 'boolean' },
}
const Delivery = closed(DELIVERY)

/** What an event tells of the delivery. */
const EventData = closed(
  {
    ...DELIVERY,
    secondsSinceSale: {
      description: 'Only in delivery.claimed: the seconds from the arrival of the sale to this event.',
      type: 'integer',
      minimum: 0,
    },
  },
  ['secondsSinceSale'],
)

const delivery = { $ref: '#/components/schemas/Delivery' }

const StatusRequest = {
  type: 'object',
  required: ['deliveries'],
  properties: {
    deliveries: {
      description: 'The ids of deliveries. Each is answered once.',
      type: 'array',
      minItems: 1,
      maxItems: 100,
      items: text('An id. A text that is none is unknown.'),
    },
  },
  examples: [{ deliveries: ['01KG9YS7G00000C80981646AF3'] }],
}

const Status = closed({
  success: { const: true },
  deliveries: { description: 'In the order of the request.', type: 'array', items: delivery },
  unknown: {
    description: 'The ids that name no delivery. A finished delivery is deleted some time after its last activity.',
    type: 'array',
    items: { type: 'string' },
  },
})

/** The types of events; the shop ignores those that it does not know. */
export const EVENT_TYPES = {
  'delivery.enrolled': 'The buyer is enrolled in every course.',
  'delivery.pre_enrolled': 'In at least one course, the buyer is enrolled as soon as they have an active account.',
  'delivery.claimed': 'A buyer who was pre-enrolled is now enrolled in every course.',
  'delivery.needs_attention': 'An operator has to look at it.',
  'delivery.rejected': 'The payload is wrong. Sending the same again does not help.',
  'delivery.withdrawn': 'The buyer was taken out of courses.',
} as const

const Event = closed({
  type: { description: 'More types may be added.', enum: Object.keys(EVENT_TYPES) },
  timestamp: { description: 'When the change was stored.', type: 'string', format: 'date-time' },
  sequence: { description: 'Of two events of a delivery, the later one has the higher number.', type: 'integer' },
  data: { $ref: '#/components/schemas/EventData' },
})

export const DELIVERY_SCHEMAS = { Delivery, StatusRequest, Status, Event, EventData } as const
