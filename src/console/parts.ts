import type { FastifyInstance } from 'fastify'
import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import type { BreakerState } from '../enroll/breakers/breaker-state.ts'
import type { PausedCourse } from '../enroll/breakers/course-breakers.ts'
import type { CheckedNow } from '../enroll/follow-up/check-now.ts'
import type { GivenCourse } from '../enroll/withdraw/find-buyer.ts'
import type { LiveCourse } from '../enroll/withdraw/what-stands.ts'
import type { Account, AccountById } from '../lms/apis/accounts.ts'
import type { Course } from '../lms/apis/courses.ts'
import type { SignIn } from '../lms/sign-in.ts'
import type { ForgottenPerson } from '../operators/changes/forget.ts'
import type { Operations } from '../operators/changes/operations.ts'
import type { createTestNotification } from '../operators/notify/post-text.ts'
import type { LmsAccount } from '../sale/line.ts'
import type { Catalogue } from '../shop/courses/catalogue.ts'
import type { ShopEvents } from '../shop/events/shop-events.ts'
import type { FormLately, SendersView } from '../shop/senders/view.ts'

/** What the service gives the console. Each page takes from it what it needs. */
export interface ConsoleParts {
  readonly app: FastifyInstance
  readonly db: Kysely<Tables>
  readonly operations: Operations
  /** null: LERNITO_EVENTS_URL is not set. */
  readonly shopEvents: ShopEvents | null
  /** null: LERNITO_NOTIFY_URL is not set. */
  readonly testNotification: ReturnType<typeof createTestNotification> | null
  readonly liveState: LiveState
  readonly lms: LmsCalls
  /** Looks up what the LMS has for these deliveries now, and stores it; see src/enroll/follow-up/check-now.ts. */
  readonly checkNow: (order: { ids: readonly string[]; by: string }) => Promise<CheckedNow[]>
  /** From the start of a round of the follow-up to the next one, ms. */
  readonly followUpMs: number
  /** Erases a person; see src/service/forget.ts. */
  readonly forget: (order: ForgetOrder) => Promise<ForgetAnswer>
  /** Who sent webhooks lately, and what was refused. */
  readonly readSenders: () => Promise<SendersView>
  /** The courses of the LMS, as they were last read. */
  readonly readCatalogue: () => Promise<Catalogue>
  /** Which courses the LMS refuses; see src/shop/courses/sold-courses.ts. */
  readonly refusedCourses: () => Promise<(key: string) => boolean>
  /** The course mode that LERNITO_COURSE_MODE names for a course. */
  readonly modeOf: (course: string) => string | null
  /** The signature forms of the newest deliveries, the latest first. */
  readonly formsLately: () => Promise<readonly FormLately[]>
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
  /** In ms since 1970. */
  readonly now: () => number
  /** Runs work that needs the database; throws AppError database.unreachable at once while the database is unavailable. */
  readonly guard: <T>(work: () => Promise<T>) => Promise<T>
  readonly onSignIn: (event: SignInEvent) => void
  /** Called with an error that is this service's own fault. */
  readonly onError: (error: unknown) => void
}

/** What a page is added with: the parts, and the part of the server that is the console's own. */
export interface PageParts extends ConsoleParts {
  readonly scope: FastifyInstance
}

interface LiveState {
  /** The state of the worker's circuit breaker on this replica. */
  readonly breaker: () => BreakerState
  readonly pausedCourses: () => readonly PausedCourse[]
  /** The unused share of the call budget, from 0 to 1. */
  readonly budget: () => number
}

/** What the LMS answered, or why there is no answer, in one line. */
export type Answered<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly message: string }

/** What the console asks the LMS for an operator. The running service asks, within its call budget. */
export interface LmsCalls {
  /** What the LMS has for the person in these courses now. */
  readonly whatStands: (of: {
    email: string
    courses: readonly GivenCourse[]
  }) => Promise<Answered<readonly LiveCourse[]>>
  /** The account that the LMS has for an address now. Answers within 5 s. */
  readonly account: (email: string) => Promise<Answered<Account>>
  /** The accounts that have these addresses: at most 1,000. null if the LMS doesn't tell. */
  readonly accountsOf: (
    emails: readonly string[],
  ) => Promise<Answered<ReadonlyMap<string, { readonly username: string }> | null>>
  /** The account with an id, at whatever address. Answers within 5 s. */
  readonly accountById: (known: LmsAccount) => Promise<Answered<AccountById>>
  /** The course with its key as the LMS spells it; null if there is none. */
  readonly findCourse: (key: string) => Promise<Answered<Course | null>>
}

/** `allowances`: whether to delete the LMS's unused allowances for the address too. */
export interface ForgetOrder {
  readonly email: string
  readonly by: string
  readonly allowances: boolean
}

/**
 * `in_progress`: it takes longer than a page waits, and continues. `refused`: a refund or a withdrawal for the person is to
 * be carried out first, as `message` says.
 */
export type ForgetAnswer =
  | ({ readonly kind: 'forgotten' } & ForgottenPerson)
  | { readonly kind: 'in_progress' }
  | { readonly kind: 'refused'; readonly message: string }

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
