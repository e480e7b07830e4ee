import type { FastifyInstance } from 'fastify'
import type { Checks, ChecksRun, SignInEvent } from '../console/parts.ts'
import { consoleRoutes } from '../console/routes.ts'
import { callbackOf, consoleUrl, siteOf } from '../console/session/site.ts'
import { examine } from '../doctor/examine.ts'
import { type BreakerState, isOpen } from '../enroll/breakers/breaker-state.ts'
import { createSignIn } from '../lms/sign-in.ts'
import { isLoopback } from './lib/network.ts'
import type { Parts } from './parts.ts'
import type { Env, Settings } from './settings/settings.ts'
import { errorFields, type Log } from './telemetry/log.ts'

/** The console, if the settings turn it on. The log has its addresses, or says how to turn it on. */
export function mountConsole(app: FastifyInstance, parts: Parts): void {
  const { settings, log } = parts
  const { LERNITO_CONSOLE_CLIENT_ID: clientId, LERNITO_CONSOLE_CLIENT_SECRET: clientSecret } = settings
  if (clientId === undefined) {
    app.addHook('onListen', async () =>
      log.info(
        'the console is off; to turn it on, set LERNITO_CONSOLE_CLIENT_ID as docs/how-to/use-the-console.md says',
      ),
    )
    return
  }
  const missing = missingSetting(settings)
  if (missing !== null || clientSecret === undefined) {
    // A warning and no error: sales don't depend on the console.
    log.warn(`the console is off: set ${missing}, or remove LERNITO_CONSOLE_CLIENT_ID`)
    return
  }
  const publicUrl = (): string => settings.LERNITO_PUBLIC_URL ?? ownUrl(app, settings.LERNITO_HOST)
  app.addHook('onListen', async () => {
    const site = siteOf(publicUrl())
    log.info({ url: consoleUrl(site), callback: callbackOf(site) }, 'the console is on')
  })
  consoleRoutes({
    ...parts,
    app,
    publicUrl,
    clientId,
    clientSecret,
    readSenders: parts.senders.read,
    breaker: { state: () => sinceRecorded(parts) },
    unwatchedLms: parts.lms,
    isPublic: settings.LERNITO_PUBLIC_URL !== undefined,
    refunds: settings.LERNITO_REFUNDS,
    checks: createChecks({ ...parts, env: () => ({ ...parts.env, LERNITO_PUBLIC_URL: publicUrl() }) }),
    signIn: createSignIn({
      lmsUrl: settings.LERNITO_LMS_URL,
      publicUrl: parts.lmsUrl,
      clientId,
      clientSecret,
      now: parts.now,
      onCall: parts.observer.onCall,
    }),
    onSignIn: (event) => logSignIn(log, event),
    onForgetFailed: (error) =>
      log.error(errorFields(error), 'a person could not be erased; erase them again in the console'),
    onError: (error) => log.error(errorFields(error), 'unexpected error in the console'),
  })
}

/** The circuit breaker's state for operators, who compare since when it is open with the incidents. */
function sinceRecorded({ breaker, incidents }: Parts): BreakerState {
  const state = breaker.state()
  return isOpen(state) ? { ...state, since: incidents.since(state) } : state
}

function missingSetting(settings: Settings): string | null {
  if (settings.LERNITO_CONSOLE_CLIENT_SECRET === undefined) {
    return 'LERNITO_CONSOLE_CLIENT_SECRET, the secret of its application'
  }
  if (settings.LERNITO_PUBLIC_URL !== undefined || isLoopback(settings.LERNITO_HOST)) return null
  return 'LERNITO_PUBLIC_URL, the address at which operators reach this service'
}

/** The address of this service for a browser on the same machine. */
function ownUrl(app: FastifyInstance, host: string): string {
  const address = app.server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * The checks of doctor, run by this service for the console. One run at a time: who asks during a run gets its results.
 * A call that the LMS throttles takes its permit from the call budget of the service.
 * @param from.env the environment variables that the settings were read from, with the address at which this service is open
 */
function createChecks(of: { env: () => Env } & Pick<Parts, 'now' | 'budget' | 'signal'>): Checks {
  const { env, now, budget, signal } = of
  let running: Promise<ChecksRun> | null = null
  let last: ChecksRun | null = null

  /** False if there was no permit before `over` was aborted. */
  const acquire = async (over: AbortSignal): Promise<boolean> => {
    const permit = await budget.acquire(AbortSignal.any([signal, over])).catch(() => null)
    permit?.spend()
    return permit !== null
  }
  const start = async (): Promise<ChecksRun> => {
    const results = await examine({ env: env(), now, acquire })
    last = { at: now(), results }
    return last
  }
  return {
    run: () => {
      running ??= start().finally(() => {
        running = null
      })
      return running
    },
    last: () => last,
  }
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
