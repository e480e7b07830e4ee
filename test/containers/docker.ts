import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { type ProgramOptions, runProgram } from '../package/tools.ts'

/** Without an engine these tests are left out; deploy/test-containers.sh starts one. */
export const skipWithoutEngine = process.env.DOCKER_HOST ? false : 'deploy/test-containers.sh runs these'

/** A part of the names of what this process makes in the engine. */
export const RUN = `lernito-test-${process.pid}`

/** Runs docker and returns its standard output, without the white space around it. */
export const docker = async (args: readonly string[], options: ProgramOptions = {}): Promise<string> =>
  (await runProgram('docker', args, options)).trim()

/** Runs lines of a guide, as an operator does, until one fails. Returns what they print. */
export const shell = (lines: string, options: ProgramOptions = {}): Promise<string> =>
  runProgram('bash', ['-euc', lines], options)

/** Waits up to `seconds` until `look` returns a value, called every 100 ms. The last failure of `look` is the cause. */
export async function within<Value>(
  seconds: number,
  what: string,
  look: () => Promise<Value | undefined>,
): Promise<Value> {
  let cause: unknown
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await delay(100)) {
    try {
      const value = await look()
      if (value !== undefined) return value
    } catch (error) {
      cause = error
    }
  }
  throw new Error(`${what} did not come within ${seconds} s`, { cause })
}

const inspected = z.tuple([
  z.object({
    State: z.object({
      Status: z.string(),
      ExitCode: z.number(),
      StartedAt: z.string(),
      OOMKilled: z.boolean(),
      Health: z.object({ Status: z.string() }).optional(),
    }),
    RestartCount: z.number(),
    NetworkSettings: z.object({
      Ports: z.record(z.string(), z.array(z.object({ HostPort: z.string() })).nullable()),
    }),
  }),
])

/** What the engine says about a container. */
export async function inspect(container: string) {
  const [{ State, RestartCount, NetworkSettings }] = inspected.parse(JSON.parse(await docker(['inspect', container])))
  return { ...State, health: State.Health?.Status, restarts: RestartCount, ports: NetworkSettings.Ports }
}

/** Waits until the health of a container is this. */
export const untilHealth = (container: string, wanted: 'healthy' | 'unhealthy', seconds = 60): Promise<true> =>
  within(seconds, `${container} ${wanted}`, async () => (await inspect(container)).health === wanted || undefined)

/** The port of loopback that leads to a container's TCP port. */
export async function portOf(container: string, inside: number): Promise<number> {
  const [published] = (await inspect(container)).ports[`${inside}/tcp`] ?? []
  if (published === undefined) throw new Error(`port ${inside} of ${container} is not published`)
  return Number(published.HostPort)
}

/** Removes containers, volumes, networks and images by name; what isn't there is no error. */
export async function remove(what: {
  containers?: readonly string[]
  volumes?: readonly string[]
  networks?: readonly string[]
  images?: readonly string[]
}): Promise<void> {
  const { containers = [], volumes = [], networks = [], images = [] } = what
  const quietly = (args: readonly string[]): Promise<unknown> => docker(args).catch(() => {})
  for (const name of containers) await quietly(['rm', '--force', '--volumes', name])
  for (const name of volumes) await quietly(['volume', 'rm', name])
  for (const name of networks) await quietly(['network', 'rm', name])
  for (const name of images) await quietly(['image', 'rm', name])
}
