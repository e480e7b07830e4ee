import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { AppError } from '../errors.ts'
import { readSecret } from '../settings/read.ts'
import type { SignatureForm } from '../signature/forms.ts'
import { sign } from '../signature/signature.ts'
import { loadDotEnv, usageError } from './command.ts'

const FORMS = ['original', 'readme', 'raw'] as const satisfies readonly SignatureForm[]

/** The value of --form. Throws AppError usage.invalid. */
export function readForm(name: string): SignatureForm {
  const form = FORMS.find((one) => one === name)
  if (form === undefined) throw usageError(`--form ${name} is unknown. It is original, readme or raw.`)
  return form
}

/** The one file that is named, or standard input. Throws AppError usage.invalid for several, file.unreadable. */
export async function readInput({
  command,
  positionals,
}: {
  command: string
  positionals: readonly string[]
}): Promise<Buffer> {
  const [file = '-', ...more] = positionals
  if (more.length > 0) throw usageError(`${command} takes one file. See: lernito-openedx ${command} --help`)
  try {
    // As a stream: a synchronous read of a pipe fails while its writer has not written yet (EAGAIN).
    return await (file === '-' ? buffer(process.stdin) : readFile(file))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AppError(
      'file.unreadable',
      `The payload can't be read from ${file === '-' ? 'standard input' : file}: ${why}`,
      {
        cause,
      },
    )
  }
}

/**
 * From where the service reads it: the environment, .env, or the file of LERNITO_WEBHOOK_SECRET_FILE. Not from an
 * argument, which everyone on the machine could read. Throws AppError settings.invalid without one.
 */
export function readWebhookSecret(): string {
  loadDotEnv()
  const secret = readSecret({ env: process.env, name: 'LERNITO_WEBHOOK_SECRET' })
  if (secret) return secret
  throw new AppError(
    'settings.invalid',
    'LERNITO_WEBHOOK_SECRET is missing. Set it to the secret that the shop and the service share; the sandbox uses lernito-sandbox-secret.',
  )
}

/** Throws AppError payload.unsignable with what keeps the payload from being signed in this form. */
export function signPayload(input: { body: Buffer; form: SignatureForm; secret: string }): string {
  try {
    return sign(input)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AppError('payload.unsignable', `The payload can't be signed: ${why}`, { cause })
  }
}
