import { createLms, type Lms } from '../../src/lms/lms.ts'

/** A client of the stand-in, as its staff application. The caller closes it. */
export const lmsAt = (url: string): Lms =>
  createLms({
    url,
    clientId: 'lernito-client',
    clientSecret: 'lernito-client-secret',
    version: 'test',
    concurrency: () => 2,
  })
