import type { Cause } from './causes-ours.ts'

/** The causes on the way of an event to the shop. */
export const EVENTS_CAUSES = {
  'events.private': {
    severity: 'failure',
    message: 'The service sends no events: {why}',
    plain:
      'If the endpoint is in your own network, set LERNITO_EVENTS_URL to its address, such as http://10.0.0.5/events. Otherwise correct its DNS: a public name must not lead into a private network.',
    tutor: null,
  },
  'events.unreachable': {
    severity: 'failure',
    message: "The service can't reach {host}, the host of LERNITO_EVENTS_URL ({code}), so the shop gets no events.",
    plain:
      'Correct LERNITO_EVENTS_URL, or start the endpoint. Events wait for three days, and `lernito-openedx events list` shows them.',
    tutor: null,
  },
  'events.tls': {
    severity: 'failure',
    message:
      'The TLS connection to {host}, the host of LERNITO_EVENTS_URL, fails ({code}), so the shop gets no events.',
    plain:
      'Renew the certificate of the endpoint, or use the host name of the certificate in LERNITO_EVENTS_URL. For an authority of your own, set NODE_EXTRA_CA_CERTS to its certificate file.',
    tutor: null,
  },
} as const satisfies Record<string, Cause>
