import { nextBatch as choose } from '../../src/enroll/batches.ts'
import { beginWork, type Work } from '../../src/enroll/work.ts'
import type { CourseResult } from '../../src/sale/line.ts'
import type { Delivery } from '../../src/sale/types.ts'
import { linesOf } from '../lines.ts'

let made = 0

/** A work for tests, due at `dueAt`. */
export function aWork({
  email = `person${made}@example.com`,
  courses = ['course-v1:a+b+c'],
  dueAt = 0,
  attempts = 0,
  done = {},
}: {
  email?: string
  courses?: readonly string[]
  dueAt?: number
  attempts?: number
  done?: Record<string, CourseResult>
} = {}): Work {
  made++
  const request = { email, name: 'A', family: 'B', username: 'c', courseIds: courses }
  const delivery: Delivery = {
    id: `delivery-${made}`,
    digest: `${made}`,
    state: 'queued',
    person: email,
    dueAt,
    attempts,
    receivedAt: dueAt,
    settledAt: null,
    doneAt: null,
    replayedAt: null,
    generation: 0,
    effectUnknown: false,
    readsFirst: false,
    handledAs: null,
    reason: null,
    lines: linesOf(courses, { courses: done }),
    source: 'shop',
    replaces: null,
    replacedBy: null,
    webhookId: null,
    form: 'raw',
    body: new Uint8Array(),
    request,
  }
  return beginWork({ delivery, request, courses })
}

type Choice = Parameters<typeof choose>[0]

/** Chooses the next call where no sender waits and every course is healthy, unless the choice says otherwise. */
export const nextBatch = (choice: Partial<Choice> & Pick<Choice, 'works' | 'scope' | 'now'>) =>
  choose({ isAwaited: () => false, healthOf: () => 'healthy', doubtful: 'last', ...choice })
