import { pathToFileURL } from 'node:url'
import { z } from 'zod'

/**
 * A process that runs one command line after another, each from the first line of main.ts to its exit code, for
 * commands.ts. What main.ts imports stays loaded, which is nearly all of what a start costs.
 */
const orderSchema = z.object({
  main: z.string(),
  args: z.array(z.string()),
  env: z.record(z.string(), z.string()),
})

let count = 0
process.on('message', async (message) => {
  const { main, args, env } = orderSchema.parse(message)
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].write = (text: string | Uint8Array) => {
      output[name] += String(text)
      return true
    }
  }
  process.argv = [process.execPath, main, ...args]
  process.env = env
  process.exitCode = undefined
  await import(`${pathToFileURL(main)}?${++count}`) // another address, so that it runs again
  for (const name of ['stdout', 'stderr'] as const) process[name].removeAllListeners('error') // as main.ts adds them
  process.send?.({ ...output, code: process.exitCode ?? 0, signal: null })
})
