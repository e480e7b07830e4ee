import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { AppError, messageOf } from '../service/lib/errors.ts'
import { readSecret } from '../service/settings/settings.ts'
import { type SignatureForm, sign } from '../shop/signature/signature.ts'
import { signStandardWebhook } from '../shop/signature/standard.ts'
import { choiceIn, command, loadDotEnv, misused, usageError } from './command.ts'
import { plain } from './plain.ts'

const TIMEOUT_MS = 130_000

/** What X-Lernito-Signature can sign. */
const FORMS = ['original', 'readme', 'raw'] as const satisfies readonly SignatureForm[]

export const send = command({
  name: 'send',
  positionals: true,
  options: {
    email: { type: 'string' },
    course: { type: 'string', multiple: true, default: [] },
    name: { type: 'string' },
    family: { type: 'string' },
    username: { type: 'string' },
    refund: { type: 'boolean', default: false },
    url: { type: 'string' },
    print: { type: 'boolean', default: false },
    form: { type: 'string' },
    standard: { type: 'boolean', default: false },
    id: { type: 'string' },
  },
  run: async ({ values, positionals }) => {
    loadDotEnv()
    const service = `http://127.0.0.1:${process.env.LERNITO_PORT || 8790}/api/lernito`
    const { url = `${service}/${values.refund ? 'refund' : 'webhook'}/` } = values
    if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
      throw usageError(`--url ${url} is not a URL that begins with http:// or https://.`)
    }
    // The two have the same body, so the wrong address would carry out the opposite.
    const route = /\/(webhook|refund)\/?$/.exec(new URL(url).pathname)?.[1]
    if (route !== undefined && (route === 'refund') !== values.refund) {
      const fix = values.refund ? 'Refunds go to /api/lernito/refund/.' : 'To send a refund, add --refund.'
      throw usageError(`--url ${url} is an address for ${values.refund ? 'sales' : 'refunds'}. ${fix}`)
    }
    const { email, course, name, family, username } = values
    const isDescribed = course.length > 0 || [email, name, family, username].some((one) => one !== undefined)
    if (positionals.length > 0 && isDescribed) {
      throw misused('send', 'takes a FILE, or options such as --email that describe the payload, not both')
    }
    const signing = readSigning(values)
    const secret = readWebhookSecret()
    const body = positionals.length > 0 ? await readPayload(positionals) : build(values)
    const headers: Record<string, string> = { 'content-type': 'application/json', ...signed(signing, body, secret) }
    if (values.print) {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`)
      process.stdout.write(Buffer.concat([Buffer.from(`POST ${url}\n${lines.join('')}\n`), body]))
      return 0
    }
    const { response, answer } = await post({ url, body, headers })
    const delivery = response.headers.get('x-lernito-delivery')
    // A proxy may answer, or a server that is not this service.
    const lines = [`${response.status} ${response.statusText}`, ...answer.trim().split(/\r?\n/)]
    if (delivery !== null) lines.push(`delivery ${delivery}`)
    process.stdout.write(lines.map((line) => `${plain(line)}\n`).join(''))
    const { 'webhook-id': id } = headers
    if (id !== undefined) process.stdout.write(`webhook-id ${id}\n`)
    return response.ok ? 0 : 1
  },
})

/** The payload that the options describe. Throws AppError usage.invalid if one of them is missing. */
function build(of: { email?: string; course: string[]; name?: string; family?: string; username?: string }): Buffer {
  const { email, course } = of
  if (email === undefined || course.length === 0) throw misused('send', 'needs a FILE, or --email and --course')
  const local = email.split('@')[0] || 'buyer'
  const { name = local, family = local, username = local } = of
  return Buffer.from(JSON.stringify({ email, name, family, username, courseIds: course }))
}

/** Throws AppError send.failed if there is no answer, or not all of one. */
async function post(of: { url: string; body: Buffer; headers: Record<string, string> }) {
  const { url, body, headers } = of
  let response: Response | undefined
  try {
    response = await fetch(url, {
      method: 'POST',
      headers,
      body: new Uint8Array(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    return { response, answer: await response.text() }
  } catch (cause) {
    const deeper = cause instanceof Error ? cause.cause : undefined
    const why = (deeper instanceof Error ? deeper.message : String(cause)) || 'connection refused'
    const message =
      response === undefined
        ? `Nothing answers at ${url} (${why}). Is the service running?`
        : `The answer ${response.status} of ${url} was cut off (${why}). The service may have stored the delivery; see: lernito-openedx deliveries list`
    throw new AppError('send.failed', message, { cause })
  }
}

/** The content of the named file; "-" is standard input. Throws AppError usage.invalid for several files, file.unreadable. */
async function readPayload([file = '-', ...more]: readonly string[]): Promise<Buffer> {
  if (more.length > 0) throw misused('send', 'takes one file')
  try {
    // As a stream: a synchronous read of a pipe fails with EAGAIN before its writer has written.
    return await (file === '-' ? buffer(process.stdin) : readFile(resolve(file)))
  } catch (cause) {
    // systemd-run, docker exec and the like start the command as another user, in another folder, or elsewhere.
    const remedy =
      file === '-' ? '' : ' Name a file that the command can read where it runs, or pass it on: send - <FILE'
    throw new AppError('file.unreadable', `The payload can't be read (${messageOf(cause)}).${remedy}`, { cause })
  }
}

/**
 * The webhook secret from where the service reads it: the environment, .env, or the file of
 * LERNITO_WEBHOOK_SECRET_FILE. There is no option for it, because everyone on the machine can read a process's arguments.
 * Throws AppError settings.invalid if it is missing.
 */
function readWebhookSecret(): string {
  const secret = readSecret({ env: process.env, name: 'LERNITO_WEBHOOK_SECRET' })
  if (secret) return secret
  throw new AppError(
    'settings.invalid',
    'LERNITO_WEBHOOK_SECRET is missing. Set it to the secret that the shop and the service share; the sandbox uses lernito-sandbox-secret.',
  )
}

/** Returns the headers that sign a body, in the order in which they are printed. */
type Sign = (body: Buffer, secret: string) => Record<string, string>

/** How --form, --standard and --id say to sign. A missing id becomes a new one. Throws AppError usage.invalid. */
function readSigning(values: { form?: string | undefined; standard: boolean; id?: string | undefined }): Sign {
  const { form, standard, id = `msg_${randomUUID()}` } = values
  if (standard && form !== undefined)
    throw usageError('--standard and --form are two ways to sign. Use only one of them.')
  if (!standard && values.id !== undefined) throw usageError('--id needs --standard: X-Lernito-Signature has no id.')
  if (standard) return (body, secret) => signStandardWebhook({ id, body, secret })
  const chosen = choiceIn('form', form ?? 'original', FORMS)
  return (body, secret) => ({ 'x-lernito-signature': sign({ body, form: chosen, secret }) })
}

/** Throws AppError payload.unsignable if the form can't be made of the body, or if the id or the secret can't be used. */
function signed(by: Sign, body: Buffer, secret: string): Record<string, string> {
  try {
    return by(body, secret)
  } catch (cause) {
    throw new AppError('payload.unsignable', `The payload can't be signed: ${messageOf(cause)}`, { cause })
  }
}
