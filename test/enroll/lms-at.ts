import { createLms, type Lms } from '../../src/lms/lms.ts'
import { lmsSettings } from '../lms/calls.ts'

/** A client of the stand-in, as its staff application. The caller closes it. */
export const lmsAt = (url: string): Lms => createLms({ settings: lmsSettings(url), concurrency: () => 2 })
