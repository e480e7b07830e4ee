import type { Cause } from './causes-ours.ts'

const CADDY =
  'The plugin adds the routes to Caddy: run `tutor config save`, then `tutor local start -d` and `tutor local restart caddy`.'

/** The causes between the service and people: the console's sign-in, the public address, the original plugin. */
export const OUTSIDE_CAUSES = {
  'console.no_secret': {
    severity: 'failure',
    message: 'LERNITO_CONSOLE_CLIENT_ID is set, but LERNITO_CONSOLE_CLIENT_SECRET is not, so the console is off.',
    plain:
      'Set LERNITO_CONSOLE_CLIENT_SECRET to the client secret of that application. To have no console, remove both.',
    tutor: 'Run `tutor config save`, then `tutor local start -d`.',
  },
  'console.no_public_url': {
    severity: 'failure',
    message:
      'LERNITO_CONSOLE_CLIENT_ID is set, but LERNITO_PUBLIC_URL is not: the LMS needs it to send browsers back after the sign-in.',
    plain: 'Set LERNITO_PUBLIC_URL to the address at which browsers reach this service.',
    tutor: 'Run `tutor config save`, then `tutor local start -d`.',
  },
  'console.invalid_client': {
    severity: 'failure',
    message:
      'The LMS has no application with LERNITO_CONSOLE_CLIENT_ID and LERNITO_CONSOLE_CLIENT_SECRET, so nobody can sign in to the console (invalid_client).',
    plain:
      'Run in the LMS: `./manage.py lms create_dot_application --grant-type authorization-code --redirect-uris "$LERNITO_PUBLIC_URL/lernito/console/callback" --client-id "$LERNITO_CONSOLE_CLIENT_ID" --client-secret "$LERNITO_CONSOLE_CLIENT_SECRET" --skip-authorization --update lernito-console lernito`.',
    tutor: 'Run `tutor config save`, then `tutor local do init --limit=lernito` and `tutor local start -d`.',
  },
  'console.grant_type': {
    severity: 'failure',
    message:
      'The LMS refuses sign-ins with the application LERNITO_CONSOLE_CLIENT_ID ({error}), so nobody can use the console.',
    plain:
      "Set its grant type to authorization code in the LMS's admin (Django OAuth Toolkit, Applications). LERNITO_LMS_CLIENT_ID needs a different application.",
    tutor: 'Run `tutor local do init --limit=lernito`.',
  },
  'console.failed': {
    severity: 'warning',
    message: "Doctor can't check LERNITO_CONSOLE_CLIENT_ID: /oauth2/access_token answers {status}.",
    plain: 'Run doctor again after a minute. For details, see the log of the LMS at this time.',
    tutor: 'See `tutor local logs --tail=100 lms`.',
  },
  'console.unreachable': {
    severity: 'warning',
    message: "This machine can't reach {host}, where browsers sign in ({code}).",
    plain:
      "No action is needed if a browser reaches it: many networks don't let their own machines in by the public name. Otherwise correct LERNITO_LMS_PUBLIC_URL.",
    tutor: null,
  },
  'console.no_sign_in': {
    severity: 'failure',
    message: 'The LMS answers {status} instead of its sign-in page, so nobody can sign in to the console.',
    plain:
      'Set LERNITO_LMS_PUBLIC_URL to the address of the LMS. Set the redirect URI of the application LERNITO_CONSOLE_CLIENT_ID to exactly this: LERNITO_PUBLIC_URL followed by /lernito/console/callback.',
    tutor: 'Run `tutor config save`, then `tutor local do init --limit=lernito` and `tutor local start -d`.',
  },
  'console.refused': {
    severity: 'failure',
    message: 'The LMS sends browsers back without a sign-in ({error}), so nobody can use the console.',
    plain:
      "Check the application LERNITO_CONSOLE_CLIENT_ID in the LMS's admin (Django OAuth Toolkit, Applications): it needs the grant type authorization code, and the scopes profile and email.",
    tutor: 'Run `tutor local do init --limit=lernito`.',
  },
  'public.unreachable': {
    severity: 'warning',
    message: "This machine can't reach {host}, the host of LERNITO_PUBLIC_URL ({code}).",
    plain:
      "No action is needed if the shop reaches it: many networks don't let their own machines in by the public name. Run `curl -i LERNITO_PUBLIC_URL/api/lernito/webhook/` on a machine outside; the answer must be 405. If it is not, start the service, or correct the DNS, the proxy or LERNITO_PUBLIC_URL.",
    tutor: null,
  },
  'public.silent': {
    severity: 'failure',
    message: '{host}, the host of LERNITO_PUBLIC_URL, accepts the connection but does not answer in time.',
    plain:
      'Start the service: the proxy waits for it. If it is running, check the address in the proxy, LERNITO_HOST and LERNITO_PORT.',
    tutor: 'Run `tutor local start -d`. See `tutor local logs --tail=100 lernito`.',
  },
  'public.tls': {
    severity: 'failure',
    message: 'The TLS connection to {host}, the host of LERNITO_PUBLIC_URL, fails ({code}): the shop refuses it too.',
    plain: 'Renew the certificate, or use the host name of the certificate in LERNITO_PUBLIC_URL.',
    tutor:
      'Caddy gets a certificate automatically once the name resolves to this machine. See `tutor local logs --tail=100 caddy`.',
  },
  'public.redirects': {
    severity: 'failure',
    message: '{url} redirects to {target}: a shop that posts to it loses the sale.',
    plain: 'Set LERNITO_PUBLIC_URL to the address that does not redirect, and give that address to the shop.',
    tutor:
      'Check that `tutor config printvalue LMS_HOST` and `tutor config printvalue ENABLE_HTTPS` match the public address of the site.',
  },
  'public.gateway': {
    severity: 'failure',
    message: 'The proxy at {url} answers {status}: it does not reach this service.',
    plain: 'Start the service. If it is running, check the address in the proxy, LERNITO_HOST and LERNITO_PORT.',
    tutor: 'Run `tutor local start -d`. See `tutor local logs --tail=100 lernito`.',
  },
  'public.plugin': {
    severity: 'failure',
    message:
      'The original Django plugin in the LMS answers at {url}, not this service: it enrolls without this service.',
    plain:
      'Configure the proxy to send /api/lernito/webhook/, /lernito/webhook/ and /lernito/console/ to this service, and everything else to the LMS.',
    tutor: CADDY,
  },
  'public.other': {
    severity: 'failure',
    message: 'Another server answers at {url} ({status}), not this service, so no sale reaches it.',
    plain:
      'Configure the proxy to send /api/lernito/webhook/, /lernito/webhook/ and /lernito/console/ to this service, or correct LERNITO_PUBLIC_URL.',
    tutor: CADDY,
  },
  'public.another': {
    severity: 'failure',
    message:
      'Another lernito-openedx answers at {url}: it has another webhook secret or another database than these settings, so the sales of the shop do not reach this one.',
    plain:
      'If you have changed a setting or upgraded, restart the service. Otherwise let the proxy lead to this service, or correct LERNITO_PUBLIC_URL. Run doctor with the settings of the service.',
    tutor:
      'Run `tutor local start -d`. If another installation has this address, correct `tutor config printvalue LMS_HOST`.',
  },
  'public.not_ready': {
    severity: 'failure',
    message: 'LERNITO_PUBLIC_URL leads to the service, but the service does not accept webhooks: {reason}',
    plain: 'Fix the reported problem. The service then continues automatically.',
    tutor: null,
  },
  'plugin.mounted': {
    severity: 'warning',
    message:
      'The original Django plugin is still mounted in the LMS, at {path}. It enrolls the buyers of webhooks that reach it, without this service.',
    plain: 'Uninstall it: run `pip uninstall lernito-openedx` in the environment of the LMS, and restart the LMS.',
    tutor:
      'Run `tutor config save --remove OPENEDX_EXTRA_PIP_REQUIREMENTS=git+https://github.com/edSPIRIT/lernito-openedx.git` (`tutor config printvalue OPENEDX_EXTRA_PIP_REQUIREMENTS` shows the exact value), then `tutor images build openedx` and `tutor local start -d`.',
  },
} as const satisfies Record<string, Cause>
