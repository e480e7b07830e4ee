import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultWorld } from '../../sandbox/default-world.ts'
import { SandboxError } from '../../sandbox/lms/error.ts'
import { readWorld, type World } from '../../sandbox/lms/world.ts'
import { startStandIn } from '../../sandbox/stand-in.ts'
import { AppError } from '../service/lib/errors.ts'
import { type Command, parseOptions, usageError } from './command.ts'
import { DEMO_SEED, planPast, worldAfter } from './demo/plan.ts'
import { runUntilSignal } from './run-service.ts'
import { namingOption, runSandboxService, SANDBOX_SECRET } from './sandbox-service.ts'

export const sandbox: Command = {
  name: 'sandbox',
  summary: 'try it: run a stand-in LMS and the service on this machine',
  help: `Runs a stand-in LMS and the service against it, on loopback only. There is
nothing to install or to configure, and nothing is kept at the end.

Usage: lernito-openedx sandbox [OPTIONS]

  --lms-only             run only the stand-in LMS
  --port N               the stand-in's port (default 8791)
  --service-port N       the service's port (default 8790)
  --world FILE           courses, people and applications of the stand-in, as
                         JSON
  --throttle N|off       calls a minute that the stand-in allows staff (default
                         120, as in a stock LMS)
  --bulk on|off          whether the stand-in has bulk_enroll (default on)
  --modify on|off        whether the stand-in has enrollments/modify (default
                         on)
  --cost none|measured   whether its calls take as long as those of a real LMS
                         (default none)
  --data DIR             keep the service's database in this folder
  --demo                 with 30 days of sales, for looking around: see below
  --events URL           send events there, for example to
                         http://127.0.0.1:8792/ where "events listen" prints
                         them

With --demo, the inbox begins with sales of the last 30 days: enrolled and
pre-enrolled buyers, a typo in a course key, a full course, a retired address,
invalid payloads, and an outage of the LMS three days ago. The sales of today
come as real webhooks. The stand-in then has neither bulk_enroll nor
enrollments/modify, unless --bulk or --modify says so: they would enroll in a
full course. --data must name a folder without a database.

The webhook secret is ${SANDBOX_SECRET}, unless LERNITO_WEBHOOK_SECRET is
set. The service's other settings have the meaning and the default that
"lernito-openedx serve --help" shows.

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
        bulk: { type: 'string' },
        modify: { type: 'string' },
        cost: { type: 'string', default: 'none' },
        data: { type: 'string' },
        demo: { type: 'boolean', default: false },
        events: { type: 'string' },
      },
    })
    const servicePort = port('service-port', values['service-port'])
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
        port: port('port', values.port),
        throttle: values.throttle === 'off' ? 'off' : count('throttle', values.throttle),
        bulk: oneOf('bulk', values.bulk ?? batches, ['on', 'off']) === 'on',
        modify: oneOf('modify', values.modify ?? batches, ['on', 'off']) === 'on',
        cost: oneOf('cost', values.cost, ['none', 'measured']),
      }),
    )
    try {
      if (values['lms-only']) {
        const start = async (): Promise<boolean> => process.stdout.write(`The stand-in LMS is at ${lms.url}/\n`)
        return await runUntilSignal({ start, stop: lms.close })
      }
      return await inFolder(values.data, (data) =>
        runSandboxService({
          lmsUrl: lms.url,
          world,
          redirectUris,
          servicePort,
          data,
          eventsUrl: values.events ?? null,
          past,
        }),
      )
    } finally {
      await lms.close()
    }
  },
}

/** Calls `use` with the given folder, or with a temporary one that is deleted afterwards. */
async function inFolder(given: string | undefined, use: (folder: string) => Promise<number>): Promise<number> {
  if (given !== undefined) return use(given)
  const folder = mkdtempSync(join(tmpdir(), 'lernito-sandbox-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
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
  if (choice === undefined) throw usageError(`--${name} must be one of ${choices.join(', ')}, not ${text}.`)
  return choice
}

function readWorldFile(file: string): World {
  try {
    return readWorld(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    if (cause instanceof SandboxError) throw cause
    throw new AppError('file.unreadable', `The world can't be read from ${file}: ${String(cause)}`, { cause })
  }
}
