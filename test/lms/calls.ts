/** The rest of a batch call that enrolls and sends no mail, for tests that only need one. */
export const ENROLL = { action: 'enroll', reason: 'Lernito 01TEST', emailStudents: false } as const
