import type { FastifyInstance } from 'fastify'
import { isOpen, type OpenState } from '../enroll/breakers/breaker-state.ts'
import type { CircuitBreaker } from '../enroll/breakers/circuit-breaker.ts'
import type { CourseBreakers } from '../enroll/breakers/course-breakers.ts'
import type { CallContext } from '../enroll/pair.ts'
import type { Budget } from '../lms/client/budget.ts'
import type { Lms } from '../lms/lms.ts'
import type { SignIn } from '../lms/sign-in.ts'
import { createOperations } from '../operators/changes/operations.ts'
import { createTestNotification, type PostText } from '../operators/notify/post-text.ts'
import type { ConsoleUrl } from '../operators/notify/words.ts'
import type { AppContext } from '../queue/open-inbox.ts'
import type { Catalogue } from '../shop/courses/catalogue.ts'
import { missingCourses, refusedCourses } from '../shop/courses/sold-courses.ts'
import { formsLately, type SendersView } from '../shop/senders/view.ts'
import { createLmsCalls } from './lms-calls.ts'

/** What the service gives the console. Each page takes from it what it needs. */
export interface ConsoleParts
  extends Pick<AppContext, 'context' | 'database' | 'now' | 'guard' | 'databaseReason' | 'signal'> {
  readonly app: FastifyInstance
  /** Sends a text to operators; null: LERNITO_NOTIFY_URL is not set. */
  readonly post: PostText | null
  /** Where such a text says that the console is. */
  readonly console: ConsoleUrl
  /** The worker's circuit breaker on this replica, and those of single courses. */
  readonly breaker: Pick<CircuitBreaker, 'state'>
  readonly breakers: Pick<CourseBreakers, 'paused'>
  readonly budget: Pick<Budget, 'fullness' | 'acquire'>
  /** The calls to the LMS that an operator asks for: within the call budget, and watched by the circuit breaker. */
  readonly calls: CallContext
  /** The client that the circuit breaker doesn't watch. */
  readonly unwatchedLms: Lms
  /** From the start of a round of the follow-up to the next one, ms. */
  readonly followUpMs: number
  /** Who sent webhooks lately, and what was refused. */
  readonly readSenders: () => Promise<SendersView>
  /** The courses of the LMS, as they were last read. */
  readonly readCatalogue: () => Promise<Catalogue>
  /** The course mode that LERNITO_COURSE_MODE names for a course. */
  readonly modeOf: (course: string) => string | null
  readonly checks: Checks
  readonly signIn: SignIn
  /** LERNITO_PUBLIC_URL, or the service's own address once it listens. */
  readonly publicUrl: () => string
  /** Whether LERNITO_PUBLIC_URL is set; otherwise the addresses are good on this machine only. */
  readonly isPublic: boolean
  readonly refunds: boolean
  /** LERNITO_LMS_PUBLIC_URL. */
  readonly lmsUrl: string
  readonly clientId: string
  readonly clientSecret: string
  /** The secrets of the webhook, the current one first. */
  readonly secrets: readonly string[]
  readonly onSignIn: (event: SignInEvent) => void
  /** Called with the error of erasing a person, if the page had been answered before. */
  readonly onForgetFailed: (error: unknown) => void
  /** Called with an error that is this service's own fault. */
  readonly onError: (error: unknown) => void
}

/** What a page is added with: the parts, what they make for pages, and the part of the server that is the console's own. */
export function pageParts(parts: ConsoleParts, scope: FastifyInstance) {
  const { context, guard, post, calls, breaker } = parts
  const { db } = context.database
  const operations = createOperations(parts)
  return {
    ...parts,
    scope,
    operations,
    /** null: LERNITO_EVENTS_URL is not set. */
    shopEvents: context.hasOutbox ? operations.shopEvents : null,
    testNotification: post === null ? null : createTestNotification({ ...parts, post }),
    lms: createLmsCalls(calls),
    /** Why and since when the LMS is called for no sale; null: it is. */
    outage: (): OpenState | null => {
      const state = breaker.state()
      return isOpen(state) ? state : null
    },
    formsLately: () => guard(() => formsLately(db)),
    readCatalogue: () => guard(parts.readCatalogue),
    refusedCourses: () => guard(() => refusedCourses(context.database)),
    missingCourses: () => guard(() => missingCourses(context.database)),
  }
}
export type PageParts = Readonly<ReturnType<typeof pageParts>>

/** The checks of doctor, run by the service. */
export interface Checks {
  /** Runs all checks, or joins the run in progress. Takes 15 s at most. */
  readonly run: () => Promise<ChecksRun>
  /** The latest run of this process; null: none has ended. */
  readonly last: () => ChecksRun | null
}

/** What checks find, the most urgent first. */
export const CHECK_STATUSES = ['failure', 'warning', 'ok', 'skipped'] as const

/** When the checks of doctor ended (ms since 1970), and what they found. */
export interface ChecksRun {
  readonly at: number
  readonly results: readonly {
    readonly id: string
    readonly about: string
    readonly status: (typeof CHECK_STATUSES)[number]
    readonly detail: string | null
    readonly problems: readonly {
      readonly status: 'failure' | 'warning'
      readonly message: string
      /** `tutor`: the cure at an installation with Tutor, if it is another one. */
      readonly fix: { readonly plain: string; readonly tutor: string | null }
    }[]
  }[]
}

/** For the log: who signed in or out, and whom the LMS or this service refused. */
export type SignInEvent =
  | { readonly kind: 'signed_in' | 'signed_out' | 'not_staff'; readonly username: string }
  | { readonly kind: 'failed'; readonly reason: string }
