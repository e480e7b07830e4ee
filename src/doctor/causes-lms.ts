import type { Cause } from './causes-ours.ts'

const REINIT = '`tutor config save`, then `tutor local do init --limit=lernito` and `tutor local start -d`.'
const PLAIN_URL =
  'Inside its network the LMS is http://lms:8000: `tutor config save --unset LERNITO_LMS_URL`, then `tutor local start -d`.'
/** A flat setting since Willow; a dict before. Both lines do no harm in any release. */
const BULK_ON =
  "Write both `FEATURES['ENABLE_BULK_ENROLLMENT_VIEW'] = True` and `ENABLE_BULK_ENROLLMENT_VIEW = True` in the LMS's settings, and restart it: releases up to Verawood read the first, later ones the second."
const BULK_ON_TUTOR = 'The plugin sets it: `tutor config save`, then `tutor local restart lms`.'
const LMS_LOG = 'See `tutor local logs --tail=100 lms`.'
const MORE_IN_LOG = 'The log of the LMS at this time says more.'

/** Of the LMS and of its API. */
export const LMS_CAUSES = {
  'lms.dns': {
    severity: 'failure',
    says: 'The host {host} of LERNITO_LMS_URL does not resolve ({code}).',
    plain: "Correct LERNITO_LMS_URL, or this machine's DNS.",
    tutor:
      'The name lms is known inside its network only: `tutor local start -d`, and run this as `tutor local do lernito-doctor`.',
  },
  'lms.refused': {
    severity: 'failure',
    says: 'Nothing accepts connections at {host}, which is LERNITO_LMS_URL ({code}).',
    plain: 'Start the LMS. If it runs: check host and port in LERNITO_LMS_URL, and the firewall between.',
    tutor: `\`tutor local start -d lms\`. ${LMS_LOG}`,
  },
  'lms.tls': {
    severity: 'failure',
    says: 'The TLS connection to {host}, which is LERNITO_LMS_URL, fails ({code}).',
    plain:
      "Renew the LMS's certificate, or write the name that it is for. If its authority is your own, name that one's certificate file in NODE_EXTRA_CA_CERTS. Where the LMS speaks plain HTTP, write http://.",
    tutor: PLAIN_URL,
  },
  'lms.plain_http': {
    severity: 'failure',
    says: 'LERNITO_LMS_URL begins with https://, and what listens at {host} speaks plain HTTP and no TLS.',
    plain: 'Write http:// in LERNITO_LMS_URL, or the port that speaks TLS.',
    tutor: PLAIN_URL,
  },
  'lms.timeout': {
    severity: 'failure',
    says: 'The LMS at {host} gave no answer in time.',
    plain: 'See whether all its workers are busy, or its database hangs.',
    tutor: `\`tutor local restart lms\`. ${LMS_LOG}`,
  },
  'lms.cut': {
    severity: 'failure',
    says: 'The connection to {host}, which is LERNITO_LMS_URL, ends without an answer ({code}).',
    plain: 'Check the port in LERNITO_LMS_URL, and whether https:// has to stand there.',
    tutor: LMS_LOG,
  },
  'lms.redirects': {
    severity: 'failure',
    says: 'LERNITO_LMS_URL redirects to {target}. Redirects are not followed, for a token must not travel.',
    plain: "Write the LMS's own address in LERNITO_LMS_URL, with https:// or http:// as it has it.",
    tutor: PLAIN_URL,
  },
  'lms.refuses_host': {
    severity: 'failure',
    says: 'What answers at {host} refuses the call as such (400).',
    plain:
      'Write an address in LERNITO_LMS_URL whose host is in the ALLOWED_HOSTS of the LMS, and https:// if that port speaks TLS.',
    tutor: PLAIN_URL,
  },
  'lms.unavailable': {
    severity: 'failure',
    says: 'The proxy before the LMS answers {status}: the LMS behind it is down, starting, or in maintenance.',
    plain: 'Start the LMS, and look into its log.',
    tutor: `\`tutor local start -d lms\`. ${LMS_LOG}`,
  },
  'lms.broken': {
    severity: 'failure',
    says: 'The LMS answers, but is not well: {parts}.',
    plain: 'Look into the log of the LMS, and at its databases MySQL and MongoDB.',
    tutor: `\`tutor local start -d mysql mongodb\`. ${LMS_LOG}`,
  },
  'lms.not_lms': {
    severity: 'failure',
    says: 'What answers at {host} does not answer /heartbeat as an LMS does ({status}).',
    plain: "LERNITO_LMS_URL must be the LMS's address, not that of another site or of a micro-frontend.",
    tutor: PLAIN_URL,
  },
  'token.invalid_client': {
    severity: 'failure',
    says: 'The LMS does not know LERNITO_LMS_CLIENT_ID with LERNITO_LMS_CLIENT_SECRET (invalid_client).',
    plain:
      'In the LMS: `./manage.py lms create_dot_application --grant-type client-credentials --client-id "$LERNITO_LMS_CLIENT_ID" --client-secret "$LERNITO_LMS_CLIENT_SECRET" --skip-authorization --update lernito lernito`.',
    tutor: `The secret was perhaps not saved when the plugin was enabled: ${REINIT}`,
  },
  'token.grant_type': {
    severity: 'failure',
    says: 'The application LERNITO_LMS_CLIENT_ID may not get a token by client credentials ({error}).',
    plain:
      "Give it the grant type client credentials in the LMS's admin (Django OAuth Toolkit, Applications). The console's application is another one.",
    tutor: REINIT,
  },
  'token.rate_limited': {
    severity: 'warning',
    says: 'The LMS gives out no tokens for now (429): the rate limit of its token endpoint, by address.',
    plain:
      'Programs that share an address, as the LMS sees it, ask for more than 120 tokens a minute together. Find them by its access log. Run doctor again after a minute.',
    tutor: null,
  },
  'token.barred': {
    severity: 'failure',
    says: 'Something before the LMS lets nobody ask for a token: its token endpoint answers 403.',
    plain: 'Let the proxy or the firewall before the LMS pass POST /oauth2/access_token from this machine.',
    tutor: PLAIN_URL,
  },
  'token.not_jwt': {
    severity: 'failure',
    says: 'The LMS gave a token that is not a JWT.',
    plain: 'Its release is older than this service supports, or its OAuth was changed. Upgrade the LMS.',
    tutor: null,
  },
  'token.refused': {
    severity: 'failure',
    says: 'The LMS gives no token ({error}).',
    plain:
      "Look at the application LERNITO_LMS_CLIENT_ID in the LMS's admin (Django OAuth Toolkit, Applications): it must be confidential and have a user.",
    tutor: REINIT,
  },
  'staff.not_staff': {
    severity: 'failure',
    says: 'The user {username} of the application LERNITO_LMS_CLIENT_ID is not staff in the LMS.',
    plain:
      "Tick Staff status of this user in the LMS's admin (Users), or in the LMS: `./manage.py lms manage_user USERNAME THEIR-EMAIL --staff`.",
    tutor: '`tutor local do init --limit=lernito`.',
  },
  'staff.inactive': {
    severity: 'warning',
    says: 'The user {username} of the application LERNITO_LMS_CLIENT_ID is not active in the LMS.',
    plain:
      "The LMS gives it tokens and takes its calls all the same. Tick Active of this user in the LMS's admin (Users). If it was unticked to lock the service out: untick Staff status, which does that.",
    tutor: null,
  },
  'call.forbidden': {
    severity: 'failure',
    says: 'The service user may not use {endpoint} ({status}).',
    plain: "Tick Staff status of the application's user in the LMS's admin (Users).",
    tutor: '`tutor local do init --limit=lernito`.',
  },
  'call.missing': {
    severity: 'failure',
    says: 'There is no {endpoint} (404).',
    plain:
      "LERNITO_LMS_URL must be the LMS's address, not Studio's. If it is, this release of Open edX lacks the API: upgrade it.",
    tutor: PLAIN_URL,
  },
  'call.token_refused': {
    severity: 'failure',
    says: '{endpoint} refuses the token that the LMS has just given (401).',
    plain: 'Have the machines of the LMS set their clocks by NTP, and all of them run with the same JWT_AUTH settings.',
    tutor: '`tutor config save`, then `tutor local restart lms`.',
  },
  'call.throttled': {
    severity: 'warning',
    says: '{endpoint} answers 429: the LMS throttles the service user now.',
    plain:
      'Give the service a user of its own, and set LERNITO_LMS_CALLS_PER_MINUTE ten below the throttle of the LMS (120 a minute unless you changed it).',
    tutor: null,
  },
  'call.timeout': {
    severity: 'failure',
    says: '{endpoint} gave no answer in time, while /heartbeat does.',
    plain: `See whether the workers of the LMS are busy. ${MORE_IN_LOG}`,
    tutor: LMS_LOG,
  },
  'call.failed': {
    severity: 'failure',
    says: '{message}.',
    plain: MORE_IN_LOG,
    tutor: LMS_LOG,
  },
  'courses.throttled': {
    severity: 'warning',
    says: 'The course list answers 429. It has a limit of its own, 40 calls a minute for staff, and counts the enrolling calls too.',
    plain:
      'Nothing: the service does not use the list, and this says nothing about the limit of the enrolling calls. To see the courses, run doctor again after a minute with few sales.',
    tutor: null,
  },
  'courses.none': {
    severity: 'warning',
    says: 'The LMS lists no course, so there is nothing to sell.',
    plain: 'Publish a course in Studio; its id is what the shop sends as courseIds.',
    tutor: 'For a first try: `tutor local do importdemocourse`.',
  },
  'courses.none_open': {
    severity: 'warning',
    says: 'None of the courses is open: their enrollment has ended or not begun, or they are hidden or by invitation.',
    plain:
      'Nothing, if you sell such courses on purpose: buyers are enrolled all the same. Otherwise set the enrollment dates in Studio.',
    tutor: null,
  },
  'courses.unseen': {
    severity: 'failure',
    says: 'The LMS lists {course}, but says that it does not exist when it is asked for.',
    plain: "Tick Staff status of the application's user in the LMS's admin (Users). Sales of this course would fail.",
    tutor: '`tutor local do init --limit=lernito`.',
  },
  'bulk.off': {
    severity: 'warning',
    says: 'The LMS has no bulk_enroll: people are enrolled one by one, 40 to 80 a minute under its throttle.',
    plain: BULK_ON,
    tutor: BULK_ON_TUTOR,
  },
  'bulk.off_without_budget': {
    severity: 'warning',
    says: 'The LMS has no bulk_enroll, so people are enrolled one by one; LERNITO_LMS_CALLS_PER_MINUTE is 0, and the LMS throttles enrollment_allowed whatever is turned off.',
    plain: `${BULK_ON} Or set LERNITO_LMS_CALLS_PER_MINUTE to 110.`,
    tutor: `${BULK_ON_TUTOR} Or \`tutor config save --set LERNITO_LMS_CALLS_PER_MINUTE=110\`, then \`tutor local start -d\`.`,
  },
  'throttle.above_stock': {
    severity: 'warning',
    says: 'LERNITO_LMS_CALLS_PER_MINUTE is {setting}, and an LMS allows 120 to staff unless its throttle was raised.',
    plain: 'Nothing, if you raised it for the service user. Otherwise set LERNITO_LMS_CALLS_PER_MINUTE to 110.',
    tutor: '`tutor config save --unset LERNITO_LMS_CALLS_PER_MINUTE`, then `tutor local start -d`.',
  },
  'throttle.unlimited': {
    severity: 'warning',
    says: 'LERNITO_LMS_CALLS_PER_MINUTE is 0, and an LMS throttles unless that was turned off.',
    plain:
      "Nothing, if you turned it off (Rate limit configurations in the LMS's admin) and the LMS has bulk_enroll. That lifts the limit of bulk_enroll and enrollment, and not that of enrollment_allowed. Otherwise set LERNITO_LMS_CALLS_PER_MINUTE to 110.",
    tutor:
      'Nothing, if LERNITO_LIFT_LMS_THROTTLE is true and `tutor local do init --limit=lernito` has run since. Otherwise `tutor config save --unset LERNITO_LMS_CALLS_PER_MINUTE`, then `tutor local start -d`.',
  },
} as const satisfies Record<string, Cause>
