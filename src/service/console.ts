import type { FastifyInstance } from 'fastify'
import type { IncidentReports } from '../console/pages/incidents-page.ts'
import type { Setup } from '../console/pages/setup/setup-page.ts'
import { type ConsoleParts, consoleRoutes } from '../console/routes.ts'
import type { SignInEvent } from '../console/session/sign-in-pages.ts'
import { callbackOf, siteOf } from '../console/session/site.ts'
import { createSignIn } from '../lms/sign-in.ts'
import { createOperations } from '../operators/changes/create-operations.ts'
import { incidentsBetween, listIncidents } from '../operators/incidents/list-incidents.ts'
import { countBacklog } from '../operators/reports/counts.ts'
import type { openInbox } from '../queue/open-inbox.ts'
import { createShopEvents } from '../shop/events/shop-events.ts'
import type { Senders } from '../shop/senders/senders.ts'
import { formsLately } from '../shop/senders/view.ts'
import { createChecks, type Env } from './checks.ts'
import { createForget } from './forget.ts'
import { VERSION } from './lib/version.ts'
import { createLmsCalls } from './lms-calls.ts'
import { testNotificationOf } from './notifications.ts'
import { hasOutbox } from './outbox.ts'
import type { Settings } from './settings/settings.ts'
import { errorFields, type Log } from './telemetry/log.ts'
import type { Observer } from './telemetry/observer.ts'
import type { createWork } from './work.ts'

const LOOPBACK = /^(?:localhost|::1|127(?:\.\d{1,3}){3})$/

interface MountParts extends Pick<ConsoleParts, 'app' | 'secrets' | 'followUpMs'> {
  readonly settings: Settings
  /** The environment variables that the settings were read from. */
  readonly env: Env
  readonly senders: Pick<Senders, 'read'>
  readonly log: Log
  readonly opened: Pick<
    ReturnType<typeof openInbox>,
    'database' | 'inbox' | 'context' | 'replicas' | 'availability' | 'now'
  >
  readonly work: Pick<
    ReturnType<typeof createWork>,
    'breakerState' | 'pausedCourses' | 'budgetFullness' | 'checkNow' | 'lmsAccess'
  >
  readonly observer: Observer
}

/** The console, if the settings turn it on. The log has its addresses, or says how to turn it on. */
export function mountConsole(parts: MountParts): void {
  const { settings, log, app } = parts
  const { LERNITO_CONSOLE_CLIENT_ID: clientId, LERNITO_CONSOLE_CLIENT_SECRET: clientSecret } = settings
  if (clientId === undefined) {
    app.addHook('onListen', async () =>
      log.info('the console is off; LERNITO_CONSOLE_CLIENT_ID turns it on, see docs/how-to/use-the-console.md'),
    )
    return
  }
  const missing = missingSetting(settings)
  if (missing !== null || clientSecret === undefined) {
    // A warning and no error: sales don't depend on the console.
    log.warn(`the console is off: set ${missing}, or remove LERNITO_CONSOLE_CLIENT_ID`)
    return
  }
  addConsole({ ...parts, clientId, clientSecret })
}

function addConsole({
  settings,
  log,
  app,
  opened,
  work,
  observer,
  env,
  senders,
  secrets,
  followUpMs,
  clientId,
  clientSecret,
}: MountParts & { clientId: string; clientSecret: string }): void {
  const { database, inbox, context, replicas, availability, now } = opened
  const { guard } = availability
  const lmsUrl = settings.LERNITO_LMS_PUBLIC_URL ?? settings.LERNITO_LMS_URL
  const publicUrl = (): string => settings.LERNITO_PUBLIC_URL ?? ownUrl(app, settings.LERNITO_HOST)
  app.addHook('onListen', async () => logAddresses(log, publicUrl()))
  consoleRoutes({
    app,
    db: database.db,
    operations: createOperations({
      context,
      guard,
      replicas: replicas.liveCount,
      publish: observer.onEvent,
      onDue: inbox.claimOrphansSoon,
    }),
    shopEvents: hasOutbox(settings) ? createShopEvents({ context, guard, publish: observer.onEvent }) : null,
    readCounts: () => guard(() => countBacklog(database.db)),
    testNotification: testNotificationOf({ settings, opened, observer }),
    incidents: incidentReports(opened),
    liveState: { breaker: work.breakerState, pausedCourses: work.pausedCourses, budget: work.budgetFullness },
    lms: createLmsCalls(work.lmsAccess),
    checkNow: work.checkNow,
    followUpMs,
    forget: forgetFor({ opened, work, observer, log }),
    readSenders: senders.read,
    setup: setupFor({ settings, env, opened, work, publicUrl }),
    signIn: createSignIn({
      lmsUrl: settings.LERNITO_LMS_URL,
      publicUrl: lmsUrl,
      clientId,
      clientSecret,
      version: VERSION,
      now,
      onCall: observer.onCall,
    }),
    publicUrl,
    lmsUrl,
    clientId,
    clientSecret,
    secrets,
    now,
    guard,
    onSignIn: (event) => logSignIn(log, event),
    onError: (error) => log.error(errorFields(error), 'unexpected error in the console'),
  })
}

function logAddresses(log: Log, publicUrl: string): void {
  const site = siteOf(publicUrl)
  log.info({ url: `${site.origin}${site.base}/`, callback: callbackOf(site) }, 'the console is on')
}

function incidentReports({ database: { db }, availability: { guard }, now }: MountParts['opened']): IncidentReports {
  return {
    list: (after) => guard(() => listIncidents({ db, now: now(), after })),
    between: (of) => guard(() => incidentsBetween({ db, ...of })),
  }
}

function setupFor({
  settings,
  env,
  opened,
  work,
  publicUrl,
}: Pick<MountParts, 'settings' | 'env' | 'opened' | 'work'> & { publicUrl: () => string }): Setup {
  const { database, availability, now } = opened
  return {
    checks: createChecks({ env: () => ({ ...env, LERNITO_PUBLIC_URL: publicUrl() }), now, access: work.lmsAccess }),
    formsLately: () => availability.guard(() => formsLately(database.db)),
    isPublic: settings.LERNITO_PUBLIC_URL !== undefined,
    hasPreviousSecret: settings.LERNITO_WEBHOOK_SECRET_PREVIOUS !== undefined,
    refunds: settings.LERNITO_REFUNDS,
    events: hasOutbox(settings),
  }
}

function forgetFor({ opened, work, observer, log }: Pick<MountParts, 'opened' | 'work' | 'observer' | 'log'>) {
  return createForget({
    opened,
    access: work.lmsAccess,
    publish: observer.onEvent,
    onLateError: (error) => log.error(errorFields(error), 'a person could not be erased; repeat it in the console'),
  })
}

function missingSetting(settings: Settings): string | null {
  if (settings.LERNITO_CONSOLE_CLIENT_SECRET === undefined) {
    return 'LERNITO_CONSOLE_CLIENT_SECRET, the secret of its application'
  }
  if (settings.LERNITO_PUBLIC_URL !== undefined || LOOPBACK.test(settings.LERNITO_HOST)) return null
  return 'LERNITO_PUBLIC_URL, the address at which operators reach this service'
}

/** The address of this service for a browser on the same machine. */
function ownUrl(app: FastifyInstance, host: string): string {
  const address = app.server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

const SIGN_IN_MESSAGES = {
  signed_in: 'signed in to the console',
  signed_out: 'signed out of the console',
  not_staff: 'turned away from the console: not staff',
} as const

function logSignIn(log: Log, event: SignInEvent): void {
  if (event.kind === 'failed') log.warn({ reason: event.reason }, 'console sign-in failed')
  else log[event.kind === 'not_staff' ? 'warn' : 'info']({ actor: event.username }, SIGN_IN_MESSAGES[event.kind])
}
