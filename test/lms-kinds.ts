/** The LMSs that the service has to work with, by the APIs that they have for several people at once. */
export const LMS_KINDS = [
  { kind: 'an LMS with bulk_enroll only', lms: { bulk: true, modify: false } },
  { kind: 'an LMS with enrollments/modify only', lms: { bulk: false, modify: true } },
  { kind: 'an LMS with neither', lms: { bulk: false, modify: false } },
] as const
