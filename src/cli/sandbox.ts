import { existsSync, mkdtempDisposableSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { PassThrough } from 'node:stream'
import { defaultWorld } from '../../sandbox/default-world.ts'
import { DEMO_SEED, type PastSale, planPast, worldAfter } from '../../sandbox/demo/plan.ts'
import { sellToday } from '../../sandbox/demo/sell-today.ts'
import { SandboxError } from '../../sandbox/lms/error.ts'
import { readWorld, type World } from '../../sandbox/lms/world.ts'
import { startStandIn } from '../../sandbox/stand-in.ts'
import { welcome, writeEnvironment } from '../../sandbox/welcome.ts'
import { callbackOf, siteOf } from '../console/session/site.ts'
import { AppError, messageOf } from '../service/lib/errors.ts'
import { buildService } from '../service/service.ts'
import { readSecret, readSettings, SETTINGS_SCHEMA } from '../service/settings/settings.ts'
import { warningsFor } from '../service/settings/warnings.ts'
import { createLog } from '../service/telemetry/log.ts'
import { choiceIn, command, namingOption, numberIn, portIn, runUntilSignal, usageError } from './command.ts'
import { eventsSecret } from './events.ts'
import { writePast } from './sandbox-past.ts'

/** The webhook secret, unless LERNITO_WEBHOOK_SECRET is set. */
export const SANDBOX_SECRET = 'lernito-sandbox-secret'
/** So that a person who tries it sees a delivery become enrolled soon after the buyer activates the account. */
const FOLLOW_UP_MS = 5_000
/** So that a course that is changed or added in the stand-in soon shows. */
const CATALOGUE_MS = 10_000

const ON_OFF = ['on', 'off'] as const
const COSTS = ['none', 'measured'] as const

export const sandbox = command({
  name: 'sandbox',
  options: {
    'lms-only': { type: 'boolean', default: false },
    port: { type: 'string', default: '8791' },
    'service-port': { type: 'string', default: '8790' },
    world: { type: 'string' },
    throttle: { type: 'string', default: '120' },
    bulk: { type: 'string' },
    modify: { type: 'string' },
    cost: { type: 'string', default: 'none' },
    data: { type: 'string' },
    demo: { type: 'boolean', default: false },
    events: { type: 'string' },
  },
  run: async ({ values }) => {
    const { throttle } = values
    const eventsUrl = values.events ?? null
    if (eventsUrl !== null && !/^https?:\/\//i.test(eventsUrl)) {
      throw usageError('--events must be a URL, such as http://127.0.0.1:8792/ for "events listen".')
    }
    const servicePort = portIn('service-port', values['service-port'])
    const batches = values.demo ? 'off' : 'on'
    const past = values.demo ? planPast({ seed: DEMO_SEED, now: Date.now() }) : null
    const given = values.world === undefined ? defaultWorld : readWorldFile(values.world)
    const world = past === null ? given : worldAfter(given, past)
    const redirectUris: Record<string, string[]> = {}
    const lms = await namingOption(
      '--port',
      startStandIn({
        world,
        redirectUris,
        port: portIn('port', values.port),
        throttle:
          throttle === 'off' ? 'off' : numberIn({ option: 'throttle', text: throttle, least: 0, most: 1_000_000 }),
        bulk: choiceIn('bulk', values.bulk ?? batches, ON_OFF) === 'on',
        modify: choiceIn('modify', values.modify ?? batches, ON_OFF) === 'on',
        cost: choiceIn('cost', values.cost, COSTS),
      }),
    )
    try {
      if (values['lms-only']) {
        const start = async (): Promise<boolean> => process.stdout.write(`The stand-in LMS is at ${lms.url}/\n`)
        return await runUntilSignal({ start, stop: lms.close })
      }
      using folder =
        values.data === undefined
          ? mkdtempDisposableSync(join(tmpdir(), 'lernito-sandbox-'))
          : { path: values.data, [Symbol.dispose]: () => {} }
      const { path: data } = folder
      return await runSandboxService({ lmsUrl: lms.url, world, redirectUris, servicePort, data, eventsUrl, past })
    } finally {
      await lms.close()
    }
  },
})

function readWorldFile(file: string): World {
  try {
    return readWorld(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    if (cause instanceof SandboxError) throw cause
    throw new AppError('file.unreadable', `The world can't be read from ${file}: ${messageOf(cause)}.`, { cause })
  }
}

interface Sandbox {
  readonly lmsUrl: string
  readonly world: World
  /** The stand-in's redirect URIs by client id. The console's is added once the service has an address. */
  readonly redirectUris: Record<string, string[]>
  readonly servicePort: number
  readonly data: string
  /** The sales that the inbox begins with, before those of today; null: none at all. */
  readonly past: readonly PastSale[] | null
  /** Where the service sends its events; null: nowhere. */
  readonly eventsUrl: string | null
}

/**
 * Runs the service against a stand-in LMS until a signal comes, and returns the exit code. Throws AppError of the
 * settings.* and database.* codes, address.in_use, or sandbox.world_invalid if the world has no application that the
 * service can use.
 */
async function runSandboxService(at: Sandbox): Promise<number> {
  const { lmsUrl, servicePort, data, past } = at
  const operator = operatorOf(at.world)
  const secret = readSecret({ env: process.env, name: 'LERNITO_WEBHOOK_SECRET' }) || SANDBOX_SECRET
  const own = { ...ownSettings(at), ...(operator?.env ?? { LERNITO_CONSOLE_CLIENT_ID: '' }) }
  const chosen = { ...own, LERNITO_WEBHOOK_SECRET: secret, LERNITO_PORT: String(servicePort) }
  const files = Object.fromEntries(Object.keys(chosen).map((name) => [`${name}_FILE`, '']))
  const env = { ...process.env, ...files, ...chosen }
  const settings = readSettings({ env, schema: SETTINGS_SCHEMA })
  if (past !== null) {
    if (existsSync(join(data, 'lernito.db')))
      throw usageError(`--demo needs a folder without a database: ${data} has one already.`)
    await writePast({ url: own.LERNITO_DATABASE_URL, sales: past, seed: DEMO_SEED })
  }
  const lines = new PassThrough() // holds the log back: the welcome comes first
  const log = createLog({ level: settings.LERNITO_LOG_LEVEL, destination: lines })
  for (const warning of warningsFor({ env, settings })) log.warn(warning)
  const service = buildService({ settings, env, log, followUpMs: FOLLOW_UP_MS, catalogueMs: CATALOGUE_MS })
  const start = async (): Promise<void> => {
    const url = await namingOption('--service-port', service.start())
    if (operator !== null) at.redirectUris[operator.env.LERNITO_CONSOLE_CLIENT_ID] = [callbackOf(siteOf(url))]
    if (past !== null) await sellToday({ webhook: `${url}/api/lernito/webhook/`, secret })
    // A secret of the reader's own is not written anywhere.
    const hasOwnSecret = secret !== SANDBOX_SECRET
    const environment = writeEnvironment({
      file: join(data, 'sandbox.env'),
      env: {
        ...own,
        LERNITO_PUBLIC_URL: url,
        LERNITO_PORT: new URL(url).port,
        ...(hasOwnSecret ? {} : { LERNITO_WEBHOOK_SECRET: secret }),
      },
    })
    const { password_of_people: password } = at.world
    process.stdout.write(
      welcome({ url, lmsUrl, password, operator: operator?.email ?? null, environment, hasOwnSecret }),
    )
  }
  const release = (): void => void lines.pipe(process.stdout)
  return runUntilSignal({ start: () => start().finally(release), stop: service.stop, failed: service.failed })
}

/** The settings that the sandbox chooses: the environment may hold those of a real installation. */
const ownSettings = ({ lmsUrl, world, data, eventsUrl }: Sandbox) => ({
  ...credentials(world),
  LERNITO_PUBLIC_URL: '',
  LERNITO_LMS_PUBLIC_URL: '',
  LERNITO_EVENTS_URL: eventsUrl ?? '',
  LERNITO_EVENTS_SECRET: eventsUrl === null ? '' : eventsSecret(process.env),
  LERNITO_OUTCOMES: eventsUrl === null ? '' : (process.env.LERNITO_OUTCOMES ?? ''),
  LERNITO_NOTIFY_URL: '',
  LERNITO_DATABASE_CA_FILE: '',
  LERNITO_LMS_URL: lmsUrl,
  LERNITO_HOST: '127.0.0.1',
  LERNITO_DRAIN_MS: '0', // there is no proxy that has to see the stop
  LERNITO_DATABASE_URL: `sqlite:${resolve(data, 'lernito.db')}`,
})

/** The credentials of the world's first application that a service can use. */
function credentials({ applications }: World): Record<string, string> {
  const ours = applications.find(({ grant, staff }) => grant === 'client-credentials' && staff)
  if (ours === undefined) {
    throw new AppError(
      'sandbox.world_invalid',
      'The service needs an application with the grant client-credentials and staff true, and the world has none. Add one, or use --lms-only.',
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
