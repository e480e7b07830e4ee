import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { AppError } from '../service/lib/errors.ts'
import { readSecret } from '../service/settings/read.ts'
import { signStandardWebhook } from '../shop/signature/published.ts'
import { type SignatureForm, sign } from '../shop/signature/signature.ts'
import { loadDotEnv, usageError } from './command.ts'

const FORMS = ['original', 'readme', 'raw'] as const satisfies readonly SignatureForm[]

/** The value of --form. Throws AppError usage.invalid. */
function readForm(name: string): SignatureForm {
  const form = FORMS.find((one) => one === name)
  if (form === undefined) throw usageError(`--form ${name} is unknown. Use original, readme or raw.`)
  return form
}

/** The content of the named file; "-" is standard input. Throws AppError usage.invalid for several files, file.unreadable. */
export async function readPayload([file = '-', ...more]: readonly string[]): Promise<Buffer> {
  if (more.length > 0) throw usageError('send takes one file. See: lernito-openedx send --help')
  try {
    // As a stream: a synchronous read of a pipe fails with EAGAIN before its writer has written.
    return await (file === '-' ? buffer(process.stdin) : readFile(file))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const from = file === '-' ? 'standard input' : file
    throw new AppError('file.unreadable', `The payload can't be read from ${from}: ${why}`, { cause })
  }
}

/**
 * The webhook secret from where the service reads it: the environment, .env, or the file of
 * LERNITO_WEBHOOK_SECRET_FILE. There is no option for it, because everyone on the machine can read a process's arguments.
 * Throws AppError settings.invalid if it is missing.
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

/** How to sign: in a form for X-Lernito-Signature, or by Standard Webhooks under an id. */
export type Signing = { readonly form: SignatureForm } | { readonly id: string }

/**
 * The values of --form, --standard and --id. A missing id becomes a new one. Throws AppError usage.invalid.
 */
export function readSigning(values: {
  form?: string | undefined
  standard: boolean
  id?: string | undefined
}): Signing {
  const { form, standard, id } = values
  if (standard && form !== undefined) throw usageError('--standard and --form exclude each other. Use one of them.')
  if (!standard && id !== undefined) throw usageError('--id needs --standard: X-Lernito-Signature has no id.')
  return standard ? { id: id ?? `msg_${randomUUID()}` } : { form: readForm(form ?? 'original') }
}

/**
 * The headers that sign `body`, in the order in which they are printed. Throws AppError payload.unsignable if the form
 * can't be made of it, or if the id or the secret can't be used.
 */
export function signatureHeaders(input: { body: Buffer; signing: Signing; secret: string }): Record<string, string> {
  const { body, signing, secret } = input
  try {
    if ('id' in signing) return signStandardWebhook({ id: signing.id, body, secret })
    return { 'x-lernito-signature': sign({ body, form: signing.form, secret }) }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AppError('payload.unsignable', `The payload can't be signed: ${why}`, { cause })
  }
}
