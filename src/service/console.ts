import type { FastifyInstance } from 'fastify'
import { type ConsoleParts, consoleRoutes } from '../console/routes.ts'
import type { SignInEvent } from '../console/sign-in-pages.ts'
import { callbackOf, siteOf } from '../console/site.ts'
import { createSignIn } from '../openedx/sign-in.ts'
import type { Call } from '../openedx/transport.ts'
import type { Settings } from '../settings/settings.ts'
import { errorFields, type Log } from '../telemetry/log.ts'
import { VERSION } from '../version.ts'

const LOOPBACK = /^(?:localhost|::1|127(?:\.\d{1,3}){3})$/

/** The console, if the settings turn it on; the log says how to, or how the LMS has to know it. */
export function mountConsole({
  settings,
  log,
  onCall,
  ...parts
}: { settings: Settings; log: Log; onCall: (call: Call) => void } & Pick<
  ConsoleParts,
  'app' | 'db' | 'operations' | 'liveState' | 'refusedSenders' | 'secrets' | 'now' | 'guard'
>): void {
  const { LERNITO_CONSOLE_CLIENT_ID: clientId, LERNITO_CONSOLE_CLIENT_SECRET: clientSecret } = settings
  if (clientId === undefined) {
    parts.app.addHook('onListen', async () =>
      log.info('the console is off; LERNITO_CONSOLE_CLIENT_ID turns it on, see docs/how-to/use-the-console.md'),
    )
    return
  }
  const missing = missingSetting(settings)
  if (missing !== null || clientSecret === undefined) {
    // Sales are taken all the same: they don't depend on the console.
    log.warn(`the console is off: set ${missing}, or remove LERNITO_CONSOLE_CLIENT_ID`)
    return
  }
  const lmsUrl = settings.LERNITO_LMS_PUBLIC_URL ?? settings.LERNITO_LMS_URL
  const publicUrl = (): string => settings.LERNITO_PUBLIC_URL ?? ownUrl(parts.app, settings.LERNITO_HOST)
  const signIn = createSignIn({
    lmsUrl: settings.LERNITO_LMS_URL,
    publicUrl: lmsUrl,
    clientId,
    clientSecret,
    version: VERSION,
    now: parts.now,
    onCall,
  })
  parts.app.addHook('onListen', async () => {
    const site = siteOf(publicUrl())
    log.info({ url: `${site.origin}${site.base}/`, callback: callbackOf(site) }, 'the console is on')
  })
  consoleRoutes({
    ...parts,
    signIn,
    publicUrl,
    lmsUrl,
    clientSecret,
    onSignIn: (event) => logSignIn(log, event),
    onError: (error) => log.error(errorFields(error), 'unexpected error in the console'),
  })
}

function missingSetting(settings: Settings): string | null {
  if (settings.LERNITO_CONSOLE_CLIENT_SECRET === undefined) {
    return 'LERNITO_CONSOLE_CLIENT_SECRET, the secret of its application'
  }
  if (settings.LERNITO_PUBLIC_URL !== undefined || LOOPBACK.test(settings.LERNITO_HOST)) return null
  return 'LERNITO_PUBLIC_URL, the address at which operators reach this service'
}

/** Where this service listens, for a browser on the same machine. */
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
  if (event.kind === 'failed') log.warn({ reason: event.reason }, 'a sign-in to the console failed')
  else log[event.kind === 'not_staff' ? 'warn' : 'info']({ actor: event.username }, SIGN_IN_MESSAGES[event.kind])
}
