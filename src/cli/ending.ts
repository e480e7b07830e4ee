import { SandboxError } from '../../sandbox/lms/error.ts'
import { AppError } from '../service/lib/errors.ts'
import { plainJson } from './plain.ts'

/**
 * Prints an error to standard error, as a line of JSON for a program that asked for JSON. Returns the exit code: 2 for
 * wrong usage, else 1. An error that no code of this program expects has its stack.
 */
export function report(error: unknown, { json }: { json: boolean }): number {
  const known = error instanceof AppError || error instanceof SandboxError
  if (json) {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${plainJson({ error: { code: known ? error.code : 'unexpected', message } })}\n`)
  } else {
    const text = known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stderr.write(`${text}\n`)
  }
  if (known && process.env.DEBUG && error.cause !== undefined) process.stderr.write(`${String(error.cause)}\n`)
  return known && error.code === 'usage.invalid' ? 2 : 1
}

/** 128 and SIGPIPE, as of a program that this signal ends. Node.js ignores the signal. */
const NO_READER = 141

/**
 * Ends the program without a word once nobody reads its output any more, as in `deliveries list --all | head`. A command
 * that waits for signals gets SIGTERM, so that it stops as usual.
 */
export function endQuietlyWithoutReader(): void {
  let isOver = false
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error
    if (isOver) return
    isOver = true
    if (!process.emit('SIGTERM')) process.exit(NO_READER)
  }
  process.stdout.on('error', onError)
  process.stderr.on('error', onError)
}
