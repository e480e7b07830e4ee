import type { Cause } from './causes-ours.ts'

/** A flat setting since Willow, a key of FEATURES before. Each line is harmless in every release. */
const BULK_ON =
  "Add both `FEATURES['ENABLE_BULK_ENROLLMENT_VIEW'] = True` and `ENABLE_BULK_ENROLLMENT_VIEW = True` to the LMS's settings, and restart the LMS. Releases up to Verawood read the first, later releases the second."
const BULK_ON_TUTOR = 'The plugin sets it: run `tutor config save`, then `tutor local restart lms`.'

/** The causes in how the service enrolls: the APIs for several people, the pace, course modes and mails. */
export const ENROLLING_CAUSES = {
  'bulk.off': {
    severity: 'warning',
    message:
      'The LMS has neither bulk_enroll nor enrollments/modify: the service enrolls people one by one, 40 to 80 a minute under the throttle of the LMS.',
    plain: BULK_ON,
    tutor: BULK_ON_TUTOR,
  },
  'bulk.off_without_budget': {
    severity: 'warning',
    message:
      'The LMS has neither bulk_enroll nor enrollments/modify, so the service enrolls people one by one. LERNITO_LMS_CALLS_PER_MINUTE is 0, but the LMS always throttles enrollment_allowed.',
    plain: `${BULK_ON} Or set LERNITO_LMS_CALLS_PER_MINUTE to 110.`,
    tutor: `${BULK_ON_TUTOR} Or run \`tutor config save --set LERNITO_LMS_CALLS_PER_MINUTE=110\`, then \`tutor local start -d\`.`,
  },
  'throttle.above_stock': {
    severity: 'warning',
    message:
      'LERNITO_LMS_CALLS_PER_MINUTE is {setting}, but a stock LMS allows staff 120 calls a minute and refuses the others.',
    plain:
      'No action is needed if you raised the throttle for the service user. Otherwise set LERNITO_LMS_CALLS_PER_MINUTE to 110.',
    tutor: 'Run `tutor config save --unset LERNITO_LMS_CALLS_PER_MINUTE`, then `tutor local start -d`.',
  },
  'throttle.unlimited': {
    severity: 'warning',
    message: 'LERNITO_LMS_CALLS_PER_MINUTE is 0, but an LMS throttles unless its throttle was turned off.',
    plain:
      "No action is needed if you turned the throttle off (Rate limit configurations in the LMS's admin) and the LMS has bulk_enroll or enrollments/modify. This lifts the limit of bulk_enroll and enrollment, but not of enrollment_allowed. Otherwise set LERNITO_LMS_CALLS_PER_MINUTE to 110.",
    tutor:
      'No action is needed if LERNITO_LIFT_LMS_THROTTLE is true and `tutor local do init --limit=lernito` has run since. Otherwise run `tutor config save --unset LERNITO_LMS_CALLS_PER_MINUTE`, then `tutor local start -d`.',
  },
  'mode.missing': {
    severity: 'warning',
    message:
      'LERNITO_COURSE_MODE names the mode {mode} for {course}, which does not offer it now. Sales of the course need attention.',
    plain:
      "Add the mode to the course in the LMS's admin (Course modes), or correct the setting and restart the service.",
    tutor: null,
  },
  'mode.no_course': {
    severity: 'warning',
    message: 'LERNITO_COURSE_MODE names {course}, but the LMS has no such course.',
    plain: 'Correct the key in the setting and restart the service. Write it as the LMS spells it.',
    tutor: null,
  },
  'mails.without_batches': {
    severity: 'warning',
    message:
      'LERNITO_EMAIL_STUDENTS is on, but the LMS has neither bulk_enroll nor enrollments/modify. The single APIs send no mails.',
    plain: `Turn LERNITO_EMAIL_STUDENTS off, or turn bulk_enroll on. ${BULK_ON}`,
    tutor: BULK_ON_TUTOR,
  },
} as const satisfies Record<string, Cause>
