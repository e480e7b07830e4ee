import type { DeliveryEvent } from '../delivery/types.ts'
import { AppError } from '../errors.ts'
import type { BreakerReport } from './alert-conditions.ts'
import { errorFields, type Log, logEvent } from './log.ts'
import type { LmsCall, Metrics } from './metrics.ts'
import type { Notifier } from './notify.ts'
import { warnOfPreviousSecret } from './previous-secret.ts'

/** What the LMS's failing for one course comes to; see src/enrollment/course-breaker.ts. */
export type CourseReport =
  | { readonly kind: 'works'; readonly course: string }
  | { readonly kind: 'paused'; readonly course: string; readonly probeAt: number; readonly message: string }

/** What the other rooms tell; each thing becomes a log line, a metric or a notification, or several of them. */
export function createObserver({
  log,
  metrics,
  notifier,
  now,
}: {
  log: Log
  metrics: Metrics
  notifier: Pick<Notifier, 'onEvent' | 'onBreaker'> | null
  now: () => number
}) {
  const warn = warnOfPreviousSecret({ log, now })
  return {
    onEvent: (event: DeliveryEvent): void => {
      logEvent(log, event)
      metrics.onEvent(event)
      notifier?.onEvent(event)
    },
    onCall: (call: LmsCall): void => {
      log.debug(call, 'LMS call')
      metrics.onCall(call)
    },
    /** `isFlood`: it is one of too many, and will be in the line that onFlood is told of. Its own is for debugging. */
    onRefused: (refused: { code: string; status: number; ip: string }, isFlood: boolean): void => {
      log[isFlood ? 'debug' : 'info'](refused, 'webhook refused')
      metrics.onRefused(refused.code)
    },
    /** The same for what is refused before any route has looked at it. */
    onRequestRefused: (refused: object, isFlood: boolean): void =>
      log[isFlood ? 'debug' : 'info'](refused, 'request refused'),
    onPreviousSecret: (): void => {
      metrics.onPreviousSecret()
      warn()
    },
    onFlood: ({ address, refused, text }: { address: string | null; refused: number; text: string }): void =>
      log.warn({ address, refused }, text),
    /** There is too little of it for all webhooks that come. */
    onBusy: (shortage: 'time' | 'memory'): void =>
      log.warn({ shortage }, 'too busy; some webhooks are answered 503 until there is less to do'),
    /** `refused`: how many were answered 503 since onBusy. */
    onCalm: (refused: number): void => log.warn({ refused }, 'no longer too busy'),
    /** What keeps the LMS from being used, and that it is well again: a line for each change. */
    onBreaker: (report: BreakerReport): void => {
      notifier?.onBreaker(report)
      if (!('since' in report)) log.info('the LMS is well again; work goes on')
      else
        log.warn(
          { state: report.kind, reason: report.failure.message },
          'the LMS can not be used; deliveries are kept and wait',
        )
    },
    /** A course for which the LMS fails, or works again: a line for each change. `probeAt`: ms since 1970. */
    onCourse: (report: CourseReport): void => {
      const { course } = report
      if (report.kind === 'works') log.info({ course }, 'the course works again; its deliveries are tried again')
      else
        log.warn(
          { course, reason: report.message, probeAt: new Date(report.probeAt).toISOString() },
          'the LMS fails for everybody in a course; its deliveries wait',
        )
    },
    /** `reason`: why the database can't be used; null: it can. */
    onDatabase: (reason: string | null): void => {
      if (reason === null) log.info('the database can be used')
      else log.error({ reason }, 'the database can not be used; webhooks are refused until it can')
    },
    onReleased: (deliveries: number): void =>
      log.warn({ deliveries }, 'another replica is dead; its deliveries are taken over'),
    onPurged: ({ deliveries, days }: { deliveries: number; days: number }): void =>
      log.info({ deliveries, days }, 'old deliveries deleted'),
    onError: (error: unknown): void => {
      // Another replica has the deliveries by then, so nothing is wrong with the work itself.
      if (error instanceof AppError && error.code === 'lease.lost') log.warn(error.message)
      else log.error(errorFields(error), 'unexpected error; it is tried again')
    },
  }
}
export type Observer = ReturnType<typeof createObserver>
