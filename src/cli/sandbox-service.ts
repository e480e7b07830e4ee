import { join } from 'node:path'
import { AppError } from '../errors.ts'
import { buildService } from '../service.ts'
import { readSettings } from '../settings/read.ts'
import type { World } from '../stand-in/world.ts'
import { createLog } from '../telemetry/log.ts'
import { SANDBOX_EVENTS_SECRET } from './events-listen.ts'
import { runUntilSignal } from './run-service.ts'

/** The webhook secret, unless LERNITO_WEBHOOK_SECRET is set. */
export const SANDBOX_SECRET = 'lernito-sandbox-secret'
/** So that a person who tries it sees a delivery become enrolled soon after the buyer activates the account. */
const FOLLOW_UP_MS = 5_000
const DEMO = 'course-v1:edX+DemoX+Demo_Course'

/**
 * Runs the service against a stand-in LMS until a signal comes, and returns the exit code. Throws AppError of the
 * settings.* and database.* codes, address.in_use, or sandbox.world_invalid if the world has no application that the
 * service can use.
 */
export async function runSandboxService(at: {
  lmsUrl: string
  world: World
  /** The stand-in's redirect URIs by client id. The console's is added once the service has an address. */
  redirectUris: Record<string, string[]>
  servicePort: number
  data: string
  /** Where the service sends its events; null: nowhere. */
  eventsUrl: string | null
}): Promise<number> {
  const { lmsUrl, servicePort, data, eventsUrl } = at
  const operator = operatorOf(at.world)
  const secret = process.env.LERNITO_WEBHOOK_SECRET || SANDBOX_SECRET
  const env = {
    ...process.env,
    ...credentials(at.world),
    ...(operator?.env ?? { LERNITO_CONSOLE_CLIENT_ID: '' }),
    // The environment may hold the values of a real installation.
    LERNITO_PUBLIC_URL: '',
    LERNITO_LMS_PUBLIC_URL: '',
    LERNITO_EVENTS_URL: eventsUrl ?? '',
    LERNITO_EVENTS_SECRET: eventsUrl === null ? '' : process.env.LERNITO_EVENTS_SECRET || SANDBOX_EVENTS_SECRET,
    LERNITO_WEBHOOK_SECRET: secret,
    LERNITO_LMS_URL: lmsUrl,
    LERNITO_HOST: '127.0.0.1',
    LERNITO_PORT: String(servicePort),
    LERNITO_DATABASE_URL: `sqlite:${join(data, 'lernito.db')}`,
  }
  const { settings, warnings } = readSettings({ env })
  const log = createLog({ level: settings.LERNITO_LOG_LEVEL })
  for (const warning of warnings) log.warn(warning)
  const service = buildService({ settings, env, log, followUpMs: FOLLOW_UP_MS })
  const start = async (): Promise<void> => {
    const url = await namingOption('--service-port', service.start())
    if (operator !== null) at.redirectUris[operator.env.LERNITO_CONSOLE_CLIENT_ID] = [`${url}/lernito/console/callback`]
    process.stdout.write(
      welcome({
        url,
        lmsUrl,
        password: at.world.password_of_people,
        operator,
        secret: secret === SANDBOX_SECRET ? secret : '…',
      }),
    )
  }
  return runUntilSignal({ start, stop: service.stop })
}

/** Names the option that chooses another port if the port is in use. Throws what `starting` throws. */
export async function namingOption<Started>(option: string, starting: Promise<Started>): Promise<Started> {
  try {
    return await starting
  } catch (cause) {
    if (!(cause instanceof AppError) || cause.code !== 'address.in_use') throw cause
    const deeper = cause.cause instanceof Error ? cause.cause.message : cause.message
    throw new AppError(
      'address.in_use',
      `The port of ${option} can't be used: ${deeper}. Stop the program that listens there, or choose another with ${option}.`,
      { cause },
    )
  }
}

/** The credentials of the world's first application that a service can use. */
function credentials({ applications }: World): Record<string, string> {
  const ours = applications.find(({ grant, staff }) => grant === 'client-credentials' && staff)
  if (ours === undefined) {
    throw new AppError(
      'sandbox.world_invalid',
      'The world has no application with grant client-credentials and staff true, which the service needs. Add one, or use --lms-only.',
    )
  }
  return { LERNITO_LMS_CLIENT_ID: ours.client_id, LERNITO_LMS_CLIENT_SECRET: ours.client_secret }
}

/** A person who can sign in to the console, and the application for it; null if the world lacks one of them. */
function operatorOf({ applications, people }: World) {
  const application = applications.find(({ grant }) => grant === 'authorization-code')
  const person = people.find(({ staff, active }) => staff && active)
  if (application === undefined || person === undefined) return null
  return {
    email: person.email,
    env: {
      LERNITO_CONSOLE_CLIENT_ID: application.client_id,
      LERNITO_CONSOLE_CLIENT_SECRET: application.client_secret,
    },
  }
}

function welcome(of: {
  url: string
  lmsUrl: string
  password: string
  operator: ReturnType<typeof operatorOf>
  secret: string
}): string {
  const { url, lmsUrl, password, operator, secret } = of
  const webhook = `${url}/api/lernito/webhook/`
  const send = (email: string): string =>
    `  LERNITO_WEBHOOK_SECRET=${secret} npx lernito-openedx send --url ${webhook} \\\n    --email ${email} --course ${DEMO}`
  return `
lernito-openedx is running against a stand-in LMS, on this machine only.

  Webhook        ${webhook}
  Stand-in LMS   ${lmsUrl}/${operator === null ? '' : `\n  Console        ${url}/lernito/console/`}

1. Sell a course to a person who has an account (in a second terminal, in this folder):

${send('alice@example.com')}

   The course is on the dashboard: sign in at ${lmsUrl}/login as alice@example.com with the password ${password}

2. Sell it to a person without an account:

${send('newcomer@example.com')}

   Register with that address at ${lmsUrl}/register and activate the account: the course is on the dashboard.
${
  operator === null
    ? ''
    : `
3. See both sales in the console: sign in as ${operator.email} with the password ${password}
`
}
Ctrl+C stops everything. The log of the service follows.

`
}
