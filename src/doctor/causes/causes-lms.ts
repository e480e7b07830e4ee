import type { Cause } from './causes-ours.ts'

const REINIT = 'Run `tutor config save`, then `tutor local do init --limit=lernito` and `tutor local start -d`.'
const PLAIN_URL =
  "Inside Tutor's network, the LMS is http://lms:8000: run `tutor config save --unset LERNITO_LMS_URL`, then `tutor local start -d`."
const LMS_LOG = 'See `tutor local logs --tail=100 lms`.'
const MORE_IN_LOG = 'For details, see the log of the LMS at this time.'

/** The causes in the LMS and its APIs. */
export const LMS_CAUSES = {
  'lms.dns': {
    severity: 'failure',
    message: 'The host {host} of LERNITO_LMS_URL does not resolve ({code}), so deliveries wait.',
    plain: 'Correct LERNITO_LMS_URL, or the DNS of this machine.',
    tutor:
      "The name lms resolves only inside Tutor's network: run `tutor local start -d`, then `tutor local do lernito-doctor`.",
  },
  'lms.refused': {
    severity: 'failure',
    message: 'Nothing accepts connections at {host}, the host of LERNITO_LMS_URL ({code}), so deliveries wait.',
    plain: 'Start the LMS. If it is running, check the host and port in LERNITO_LMS_URL, and the firewall.',
    tutor: `Run \`tutor local start -d lms\`. ${LMS_LOG}`,
  },
  'lms.tls': {
    severity: 'failure',
    message: 'The TLS connection to {host}, the host of LERNITO_LMS_URL, fails ({code}), so deliveries wait.',
    plain:
      "Renew the LMS's certificate, or use the host name of the certificate in LERNITO_LMS_URL. For a certificate authority of your own, set NODE_EXTRA_CA_CERTS to the file of its certificate. If the LMS serves plain HTTP, use http://.",
    tutor: PLAIN_URL,
  },
  'lms.plain_http': {
    severity: 'failure',
    message: 'LERNITO_LMS_URL begins with https://, but the server at {host} speaks plain HTTP without TLS.',
    plain: 'Use http:// in LERNITO_LMS_URL, or the port that speaks TLS.',
    tutor: PLAIN_URL,
  },
  'lms.timeout': {
    severity: 'failure',
    message: 'The LMS at {host} does not answer in time.',
    plain: 'Check whether all workers of the LMS are busy, or its database hangs.',
    tutor: `Run \`tutor local restart lms\`. ${LMS_LOG}`,
  },
  'lms.cut': {
    severity: 'failure',
    message: 'The connection to {host}, the host of LERNITO_LMS_URL, ends without an answer ({code}).',
    plain: 'Check the port in LERNITO_LMS_URL, and whether it needs https://.',
    tutor: LMS_LOG,
  },
  'lms.redirects': {
    severity: 'failure',
    message:
      'LERNITO_LMS_URL redirects to {target}. The service does not follow redirects, because it must not send its token to another host.',
    plain: "Set LERNITO_LMS_URL to the LMS's own address, with the right one of https:// and http://.",
    tutor: PLAIN_URL,
  },
  'lms.refuses_host': {
    severity: 'failure',
    message: 'The server at {host} refuses every request (400).',
    plain:
      'Set LERNITO_LMS_URL to an address whose host is in the ALLOWED_HOSTS of the LMS, with https:// if that port speaks TLS.',
    tutor: PLAIN_URL,
  },
  'lms.unavailable': {
    severity: 'failure',
    message: 'The proxy in front of the LMS answers {status}: the LMS is down, starting, or in maintenance.',
    plain: 'Start the LMS, and check its log.',
    tutor: `Run \`tutor local start -d lms\`. ${LMS_LOG}`,
  },
  'lms.broken': {
    severity: 'failure',
    message: 'The LMS answers, but it is not healthy: {parts}.',
    plain: 'Check the log of the LMS, and its databases MySQL and MongoDB.',
    tutor: `Run \`tutor local start -d mysql mongodb\`. ${LMS_LOG}`,
  },
  'lms.not_lms': {
    severity: 'failure',
    message: 'The server at {host} does not answer /heartbeat as an LMS does ({status}).',
    plain: 'Set LERNITO_LMS_URL to the address of the LMS, not of another site or of a micro-frontend.',
    tutor: PLAIN_URL,
  },
  'token.invalid_client': {
    severity: 'failure',
    message:
      'The LMS has no application with LERNITO_LMS_CLIENT_ID and LERNITO_LMS_CLIENT_SECRET, so it gives the service no token (invalid_client).',
    plain:
      'Run in the LMS: `./manage.py lms create_dot_application --grant-type client-credentials --client-id "$LERNITO_LMS_CLIENT_ID" --client-secret "$LERNITO_LMS_CLIENT_SECRET" --skip-authorization --update lernito lernito`.',
    tutor: `The secret may not have been saved when the plugin was enabled. ${REINIT}`,
  },
  'token.grant_type': {
    severity: 'failure',
    message: 'The application LERNITO_LMS_CLIENT_ID may not get a token with client credentials ({error}).',
    plain:
      "Set its grant type to client credentials in the LMS's admin (Django OAuth Toolkit, Applications). The console uses a different application.",
    tutor: REINIT,
  },
  'token.rate_limited': {
    severity: 'warning',
    message: 'The LMS refuses tokens (429): this address has reached the rate limit of its token endpoint.',
    plain:
      'Programs that share this address request more than 120 tokens a minute together. Find them in the access log of the LMS. Run doctor again after a minute.',
    tutor: null,
  },
  'token.barred': {
    severity: 'failure',
    message: 'A proxy or firewall in front of the LMS blocks token requests: the token endpoint answers 403.',
    plain: 'Allow POST /oauth2/access_token from this machine in the proxy or firewall in front of the LMS.',
    tutor: PLAIN_URL,
  },
  'token.not_jwt': {
    severity: 'failure',
    message: 'The LMS issues a token that is not a JWT, so the service cannot use it.',
    plain: 'Upgrade the LMS: its release is older than this service supports, or its OAuth was customized.',
    tutor: null,
  },
  'token.no_user': {
    severity: 'failure',
    message:
      'The LMS fails when it makes a JWT for the application LERNITO_LMS_CLIENT_ID ({status}), although it accepts the secret: most likely the application has no user.',
    plain:
      "Set the user of the application in the LMS's admin (Django OAuth Toolkit, Applications) to the service user. If it has one, read the log of the LMS: the keys in its JWT_AUTH settings may be wrong.",
    tutor: REINIT,
  },
  'token.refused': {
    severity: 'failure',
    message: 'The LMS refuses the service a token ({error}).',
    plain:
      "Check the application LERNITO_LMS_CLIENT_ID in the LMS's admin (Django OAuth Toolkit, Applications): it must be confidential.",
    tutor: REINIT,
  },
  'staff.not_staff': {
    severity: 'failure',
    message:
      'The user {username} of the application LERNITO_LMS_CLIENT_ID is not staff in the LMS, so the service may not enroll anyone.',
    plain:
      "Select Staff status for this user in the LMS's admin (Users). Or run in the LMS: `./manage.py lms manage_user USERNAME THEIR-EMAIL --staff`.",
    tutor: 'Run `tutor local do init --limit=lernito`.',
  },
  'staff.inactive': {
    severity: 'warning',
    message:
      'The user {username} of the application LERNITO_LMS_CLIENT_ID is not active in the LMS. The LMS gives it tokens and accepts its calls anyway.',
    plain:
      "Select Active for this user in the LMS's admin (Users). To lock the service out, clear Staff status instead.",
    tutor: null,
  },
  'call.forbidden': {
    severity: 'failure',
    message: 'The service user may not use {endpoint} ({status}).',
    plain: "Select Staff status for the application's user in the LMS's admin (Users).",
    tutor: 'Run `tutor local do init --limit=lernito`.',
  },
  'call.missing': {
    severity: 'failure',
    message: 'The server at LERNITO_LMS_URL has no {endpoint} (404).',
    plain:
      'Set LERNITO_LMS_URL to the address of the LMS, not of Studio. If it is right, this release of Open edX lacks the API: upgrade it.',
    tutor: PLAIN_URL,
  },
  'call.token_refused': {
    severity: 'failure',
    message: '{endpoint} refuses the token that the LMS has just issued (401).',
    plain: 'Synchronize the clocks of the LMS machines by NTP, and run all of them with the same JWT_AUTH settings.',
    tutor: 'Run `tutor config save`, then `tutor local restart lms`.',
  },
  'call.throttled': {
    severity: 'warning',
    message: '{endpoint} answers 429: the LMS throttles the service user, so enrollments are slower.',
    plain:
      'Give the service a user of its own, and set LERNITO_LMS_CALLS_PER_MINUTE to ten less than the throttle of the LMS (120 a minute unless you changed it).',
    tutor: null,
  },
  'call.timeout': {
    severity: 'failure',
    message: '{endpoint} does not answer in time, although /heartbeat does.',
    plain: `Check whether all workers of the LMS are busy. ${MORE_IN_LOG}`,
    tutor: LMS_LOG,
  },
  'call.failed': {
    severity: 'failure',
    message: '{message}.',
    plain: MORE_IN_LOG,
    tutor: LMS_LOG,
  },
  'courses.throttled': {
    severity: 'warning',
    message:
      'The course list answers 429. It has its own limit of 40 calls a minute for staff, and counts the enrolling calls too.',
    plain:
      'No action is needed: the service does not use the list, and the enrolling calls have another limit. To see the courses, run doctor again after a minute with few sales.',
    tutor: null,
  },
  'courses.none': {
    severity: 'warning',
    message: 'The LMS lists no course, so there is nothing to sell.',
    plain: 'Publish a course in Studio. The shop sends its course key in courseIds.',
    tutor: 'To try it with the demo course, run `tutor local do importdemocourse`.',
  },
  'courses.none_open': {
    severity: 'warning',
    message: 'No course is open: enrollment has ended or not begun, or the courses are hidden or by invitation only.',
    plain:
      'No action is needed if you sell such courses on purpose: buyers are enrolled anyway. Otherwise set the enrollment dates in Studio.',
    tutor: null,
  },
  'courses.unseen': {
    severity: 'failure',
    message:
      'The LMS lists {course}, but answers that it does not exist when the service reads it. Sales of this course fail.',
    plain: "Select Staff status for the application's user in the LMS's admin (Users).",
    tutor: 'Run `tutor local do init --limit=lernito`.',
  },
  'allowances.dangling': {
    severity: 'failure',
    message:
      'Buyers wait for {course}, which the LMS no longer has. An allowance for a missing course makes the LMS fail when the buyer activates an account.',
    plain:
      'Run `lernito-openedx reconcile --fix`: it deletes these allowances, and their deliveries then need attention. Or create the course again.',
    tutor: 'Run `tutor local exec lernito lernito-openedx reconcile --fix`, or create the course again.',
  },
} as const satisfies Record<string, Cause>
