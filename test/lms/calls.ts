/** The rest of a batch call that sends no mail, for tests that only need one. */
export const ENROLL = { reason: 'Lernito 01TEST', emailStudents: false } as const

/** The settings of a client of the LMS at `url`, with an application that the stand-in knows. */
export const lmsSettings = (url: string, client = 'lernito-client') => ({
  LERNITO_LMS_URL: url,
  LERNITO_LMS_CLIENT_ID: client,
  LERNITO_LMS_CLIENT_SECRET: `${client}-secret`,
})
