import { createLms, type Lms } from '../../src/openedx/lms.ts'

/** The client of a stand-in, as its staff application. To be closed. */
export const lmsAt = (url: string): Lms =>
  createLms({
    url,
    clientId: 'lernito-client',
    clientSecret: 'lernito-client-secret',
    version: 'test',
    concurrency: () => 2,
  })
