import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url))

/** Starts child.ts and waits until it is ready; it is killed at the end of the test. */
export async function startChild(t: TestContext, mode: 'migrate' | 'serve', url: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [CHILD, mode, url], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the child ended with ${code}`))),
  ])
  return child
}
