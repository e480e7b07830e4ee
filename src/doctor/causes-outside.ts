import type { Cause } from './causes-ours.ts'

const CADDY =
  'The plugin adds the routes to Caddy: `tutor config save`, then `tutor local start -d` and `tutor local restart caddy`.'

/** Of what lies between the service and people: the console's sign-in, the public address, the original plugin. */
export const OUTSIDE_CAUSES = {
  'console.no_secret': {
    severity: 'failure',
    says: 'LERNITO_CONSOLE_CLIENT_ID is set, and LERNITO_CONSOLE_CLIENT_SECRET is not.',
    plain: 'Set it to the client secret of that application, or remove both to have no console.',
    tutor: '`tutor config save`, then `tutor local start -d`.',
  },
  'console.no_public_url': {
    severity: 'failure',
    says: 'LERNITO_CONSOLE_CLIENT_ID is set, and LERNITO_PUBLIC_URL is not: the sign-in could not come back.',
    plain: 'Set LERNITO_PUBLIC_URL to the address by which browsers reach this service.',
    tutor: '`tutor config save`, then `tutor local start -d`.',
  },
  'console.invalid_client': {
    severity: 'failure',
    says: 'The LMS does not know LERNITO_CONSOLE_CLIENT_ID with LERNITO_CONSOLE_CLIENT_SECRET (invalid_client).',
    plain:
      'In the LMS: `./manage.py lms create_dot_application --grant-type authorization-code --redirect-uris "$LERNITO_PUBLIC_URL/lernito/console/callback" --client-id "$LERNITO_CONSOLE_CLIENT_ID" --client-secret "$LERNITO_CONSOLE_CLIENT_SECRET" --skip-authorization --update lernito-console lernito`.',
    tutor: '`tutor config save`, then `tutor local do init --limit=lernito` and `tutor local start -d`.',
  },
  'console.grant_type': {
    severity: 'failure',
    says: 'Nobody can sign in by the application LERNITO_CONSOLE_CLIENT_ID ({error}).',
    plain:
      "Give it the grant type authorization code in the LMS's admin (Django OAuth Toolkit, Applications). The application of LERNITO_LMS_CLIENT_ID is another one.",
    tutor: '`tutor local do init --limit=lernito`.',
  },
  'console.failed': {
    severity: 'warning',
    says: "Whether the LMS knows LERNITO_CONSOLE_CLIENT_ID can't be told: /oauth2/access_token answers {status}.",
    plain: 'Run doctor again after a minute. The log of the LMS at this time says more.',
    tutor: 'See `tutor local logs --tail=100 lms`.',
  },
  'console.unreachable': {
    severity: 'warning',
    says: "{host}, where browsers sign in, can't be reached from here ({code}).",
    plain:
      "Nothing, if a browser reaches it: networks often don't let their own machines in by the public name. Otherwise correct LERNITO_LMS_PUBLIC_URL.",
    tutor: null,
  },
  'console.no_sign_in': {
    severity: 'failure',
    says: 'The LMS answers {status} where browsers are sent to sign in, and not with its sign-in page.',
    plain:
      'LERNITO_LMS_PUBLIC_URL must be the LMS, and the application LERNITO_CONSOLE_CLIENT_ID must have exactly this redirect URI: LERNITO_PUBLIC_URL followed by /lernito/console/callback.',
    tutor: '`tutor config save`, then `tutor local do init --limit=lernito` and `tutor local start -d`.',
  },
  'console.refused': {
    severity: 'failure',
    says: 'The LMS sends browsers back without a sign-in ({error}).',
    plain:
      "Look at the application LERNITO_CONSOLE_CLIENT_ID in the LMS's admin (Django OAuth Toolkit, Applications): grant type authorization code, and the scopes profile and email.",
    tutor: '`tutor local do init --limit=lernito`.',
  },
  'public.unreachable': {
    severity: 'warning',
    says: "{host}, which is LERNITO_PUBLIC_URL, can't be reached from here ({code}).",
    plain:
      "Nothing, if the shop reaches it: networks often don't let their own machines in by the public name. `curl -i LERNITO_PUBLIC_URL/api/lernito/webhook/` from elsewhere must say 405. Otherwise start the service, or correct the DNS, the proxy or LERNITO_PUBLIC_URL.",
    tutor: null,
  },
  'public.silent': {
    severity: 'failure',
    says: '{host}, which is LERNITO_PUBLIC_URL, takes the connection and gives no answer in time.',
    plain:
      'A proxy waits for this service: start it. If it runs: check the address in the proxy, LERNITO_HOST and LERNITO_PORT.',
    tutor: '`tutor local start -d`. See `tutor local logs --tail=100 lernito`.',
  },
  'public.tls': {
    severity: 'failure',
    says: 'The TLS connection to {host}, which is LERNITO_PUBLIC_URL, fails ({code}): the shop will refuse it too.',
    plain: 'Renew the certificate, or write the name that it is for in LERNITO_PUBLIC_URL.',
    tutor: 'Caddy gets certificates by itself once the name leads here: see `tutor local logs --tail=100 caddy`.',
  },
  'public.redirects': {
    severity: 'failure',
    says: '{url} redirects to {target}, and a shop that posts there loses the sale on the way.',
    plain: 'Write the address that does not redirect in LERNITO_PUBLIC_URL, and give that one to the shop.',
    tutor:
      '`tutor config printvalue LMS_HOST` and `tutor config printvalue ENABLE_HTTPS` must be as people see the site.',
  },
  'public.gateway': {
    severity: 'failure',
    says: 'The proxy at {url} answers {status}: it does not reach this service.',
    plain: 'Start the service. If it runs: check the address in the proxy, LERNITO_HOST and LERNITO_PORT.',
    tutor: '`tutor local start -d`. See `tutor local logs --tail=100 lernito`.',
  },
  'public.plugin': {
    severity: 'failure',
    says: 'At {url} the original Django plugin answers, in the LMS, and not this service.',
    plain:
      'Have the proxy send /api/lernito/webhook/, /lernito/webhook/ and /lernito/console/ to this service, before it sends the rest to the LMS.',
    tutor: CADDY,
  },
  'public.other': {
    severity: 'failure',
    says: 'At {url} something else answers ({status}), and not this service.',
    plain:
      'Have the proxy send /api/lernito/webhook/, /lernito/webhook/ and /lernito/console/ to this service, or correct LERNITO_PUBLIC_URL.',
    tutor: CADDY,
  },
  'public.not_ready': {
    severity: 'failure',
    says: 'The service is reached, but does not accept webhooks now: {reason}',
    plain: 'Set right what it says; the service goes on by itself.',
    tutor: null,
  },
  'plugin.mounted': {
    severity: 'warning',
    says: 'The original Django plugin is still mounted in the LMS, at {path}. What reaches it is enrolled without this service.',
    plain: 'Uninstall it from the LMS: `pip uninstall lernito-openedx` in its environment, and restart the LMS.',
    tutor:
      '`tutor config save --remove OPENEDX_EXTRA_PIP_REQUIREMENTS=git+https://github.com/edSPIRIT/lernito-openedx.git` (`tutor config printvalue OPENEDX_EXTRA_PIP_REQUIREMENTS` shows how it is written), then `tutor images build openedx` and `tutor local start -d`.',
  },
} as const satisfies Record<string, Cause>
