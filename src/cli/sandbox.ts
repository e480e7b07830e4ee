import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../errors.ts'
import { defaultWorld } from '../sandbox/default-world.ts'
import { startStandIn } from '../sandbox/stand-in.ts'
import { readWorld, type World } from '../sandbox/world.ts'
import { buildService } from '../service.ts'
import { readSettings } from '../settings/read.ts'
import { createLog } from '../telemetry/log.ts'
import { type Command, parseOptions, usageError } from './command.ts'
import { runUntilSignal } from './run-service.ts'

const SECRET = 'lernito-sandbox-secret'
const DEMO = 'course-v1:edX+DemoX+Demo_Course'

export const sandbox: Command = {
  name: 'sandbox',
  summary: 'try it: a stand-in LMS and the service, on this machine',
  help: `Runs a stand-in LMS and the service against it, on loopback only. Nothing to install, nothing to configure, and
everything is forgotten at the end.

Usage: lernito-openedx sandbox [OPTIONS]

  --lms-only             the stand-in LMS alone
  --port N               the stand-in's port (default 8791)
  --service-port N       the service's port (default 8790)
  --world FILE           courses, people and applications of the stand-in, as JSON
  --throttle N|off       calls a minute that the stand-in allows to staff (default 120, as a real LMS)
  --bulk on|off          whether the stand-in has bulk_enroll (default on)
  --cost none|measured   whether its calls take as long as those of a real LMS (default none)
  --data DIR             keep the service's database in this folder

The webhook secret is ${SECRET}, unless LERNITO_WEBHOOK_SECRET says otherwise; the service's other
settings count as in "lernito-openedx serve --help".

Example:
  lernito-openedx sandbox --throttle 120 --cost measured
`,
  run: async (args) => {
    const { values } = parseOptions('sandbox', {
      args: [...args],
      options: {
        'lms-only': { type: 'boolean', default: false },
        port: { type: 'string', default: '8791' },
        'service-port': { type: 'string', default: '8790' },
        world: { type: 'string' },
        throttle: { type: 'string', default: '120' },
        bulk: { type: 'string', default: 'on' },
        cost: { type: 'string', default: 'none' },
        data: { type: 'string' },
      },
    })
    const servicePort = port('service-port', values['service-port'])
    const world = values.world === undefined ? defaultWorld : readWorldFile(values.world)
    const redirectUris: Record<string, string[]> = {}
    const lms = await naming(
      '--port',
      startStandIn({
        world,
        redirectUris,
        port: port('port', values.port),
        throttle: values.throttle === 'off' ? 'off' : count('throttle', values.throttle),
        bulk: oneOf('bulk', values.bulk, ['on', 'off']) === 'on',
        cost: oneOf('cost', values.cost, ['none', 'measured']),
      }),
    )
    try {
      if (values['lms-only']) {
        const start = async (): Promise<boolean> => process.stdout.write(`The stand-in LMS is at ${lms.url}/\n`)
        return await runUntilSignal({ start, stop: lms.close })
      }
      return await inFolder(values.data, (data) =>
        withService({ lmsUrl: lms.url, world, redirectUris, servicePort, data }),
      )
    } finally {
      await lms.close()
    }
  },
}

async function withService(at: {
  lmsUrl: string
  world: World
  /** Of the stand-in, which learns the console's address as soon as the service has one. */
  redirectUris: Record<string, string[]>
  servicePort: number
  data: string
}): Promise<number> {
  const { lmsUrl, servicePort, data } = at
  const operator = operatorOf(at.world)
  const secret = process.env.LERNITO_WEBHOOK_SECRET || SECRET
  const { settings, warnings } = readSettings({
    env: {
      ...process.env,
      ...credentials(at.world),
      ...(operator?.env ?? { LERNITO_CONSOLE_CLIENT_ID: '' }),
      LERNITO_PUBLIC_URL: '',
      LERNITO_LMS_PUBLIC_URL: '',
      LERNITO_WEBHOOK_SECRET: secret,
      LERNITO_LMS_URL: lmsUrl,
      LERNITO_HOST: '127.0.0.1',
      LERNITO_PORT: String(servicePort),
      LERNITO_DATABASE_URL: `sqlite:${join(data, 'lernito.db')}`,
    },
  })
  const log = createLog({ level: settings.LERNITO_LOG_LEVEL })
  for (const warning of warnings) log.warn(warning)
  const service = buildService({ settings, log })
  const start = async (): Promise<void> => {
    const url = await naming('--service-port', service.start())
    if (operator !== null) at.redirectUris[operator.env.LERNITO_CONSOLE_CLIENT_ID] = [`${url}/lernito/console/callback`]
    process.stdout.write(
      welcome({
        url,
        lmsUrl,
        password: at.world.password_of_people,
        operator,
        secret: secret === SECRET ? SECRET : '…',
      }),
    )
  }
  return runUntilSignal({ start, stop: service.stop })
}

/** In the folder that is given, or in one that is gone afterwards. */
async function inFolder(given: string | undefined, use: (folder: string) => Promise<number>): Promise<number> {
  if (given !== undefined) return use(given)
  const folder = mkdtempSync(join(tmpdir(), 'lernito-sandbox-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A port that is taken is told with the option that chooses another. */
async function naming<Started>(option: string, starting: Promise<Started>): Promise<Started> {
  try {
    return await starting
  } catch (cause) {
    if (!(cause instanceof AppError) || cause.code !== 'address.in_use') throw cause
    const deeper = cause.cause instanceof Error ? cause.cause.message : cause.message
    throw new AppError(
      'address.in_use',
      `The port of ${option} can't be used: ${deeper}. Stop what listens there, or choose another with ${option}.`,
      { cause },
    )
  }
}

/** Of the world's first application that a service can use. */
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

/** Who can sign in to the console, and by which application; null if the world has no such. */
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

1. Sell a course to somebody who has an account (in a second terminal, in this folder):

${send('alice@example.com')}

   See it on the dashboard: sign in at ${lmsUrl}/login as alice@example.com with the password ${password}

2. Sell it to somebody unknown:

${send('newcomer@example.com')}

   Register with that address at ${lmsUrl}/register and activate: the course is on the dashboard.
${
  operator === null
    ? ''
    : `
3. See in the console what became of both: sign in as ${operator.email} with the password ${password}
`
}
Ctrl+C stops everything. The log of the service follows.

`
}

const port = (name: string, text: string): number => {
  const number = count(name, text)
  if (number > 65_535) throw usageError(`--${name} must be a port from 0 to 65535.`)
  return number
}

function count(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usageError(`--${name} ${text} is not a whole number.`)
  return Number(text)
}

function oneOf<const Choice extends string>(name: string, text: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((one) => one === text)
  if (choice === undefined) throw usageError(`--${name} is one of ${choices.join(', ')}, not ${text}.`)
  return choice
}

function readWorldFile(file: string): World {
  try {
    return readWorld(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    throw new AppError('file.unreadable', `The world can't be read from ${file}: ${String(cause)}`, { cause })
  }
}
