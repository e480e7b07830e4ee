import { AppError } from '../service/lib/errors.ts'
import { type Command, parseOptions, usageError } from './command.ts'
import { readPayload, readSigning, readWebhookSecret, signatureHeaders } from './payload-input.ts'

const TIMEOUT_MS = 130_000
const SERVICE = 'http://127.0.0.1:8790/api/lernito'

export const send: Command = {
  name: 'send',
  summary: 'sign a payload, post it, and print the answer',
  help: `Signs a payload, posts it as Lernito does, and prints the status, the answer and
the delivery's id.

Usage: lernito-openedx send [FILE | --email ADDRESS --course KEY …]
                            [--refund] [--url URL] [--print]
                            [--form original|readme|raw | --standard [--id ID]]

  FILE        the payload; "-" reads standard input. Without FILE, the command
              builds a payload from these options:
  --email     the buyer's e-mail address
  --course    a course key; repeat the option for several courses
  --name, --family, --username    the buyer's names (default: the local part of
                                  the address)
  --refund    send a refund: it takes the buyer out of the courses again, if
              LERNITO_REFUNDS is on
  --url       the webhook (default http://127.0.0.1:8790/api/lernito/webhook/),
              or with --refund the address for refunds (default
              http://127.0.0.1:8790/api/lernito/refund/)
  --print     print the signed request, and post nothing: the address, the
              headers, an empty line, and the body byte for byte
  --form      what X-Lernito-Signature signs:
              original  the compact sorted JSON that the original plugin's code
                        verifies (default)
              readme    the sorted JSON with spaces that the script in the
                        original's README signs
              raw       the body as it is
  --standard  sign the id, the time and the body as it is, by Standard Webhooks,
              and print the webhook-id. The signature is valid for 5 minutes.
  --id        the webhook-id (default: a new one). To send the same webhook
              again, repeat its id.

The secret is LERNITO_WEBHOOK_SECRET, from the environment, from .env, or from
the file that LERNITO_WEBHOOK_SECRET_FILE names.

The exit code is 0 if the answer is 2xx, otherwise 1.

Example, against the sandbox:
  LERNITO_WEBHOOK_SECRET=lernito-sandbox-secret lernito-openedx send \\
    --email alice@example.com --course course-v1:edX+DemoX+Demo_Course
`,
  run: async (args) => {
    const { values, positionals } = parseOptions('send', {
      args: [...args],
      allowPositionals: true,
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
    })
    const { url = `${SERVICE}/${values.refund ? 'refund' : 'webhook'}/` } = values
    if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
      throw usageError(`--url ${url} is not a URL that begins with http:// or https://.`)
    }
    if (positionals.length > 0 && (values.email !== undefined || values.course.length > 0)) {
      throw usageError('send takes a FILE, or --email and --course, not both. See: lernito-openedx send --help')
    }
    const signing = readSigning(values)
    const secret = readWebhookSecret()
    const body = positionals.length > 0 ? await readPayload(positionals) : build(values)
    const headers = { 'content-type': 'application/json', ...signatureHeaders({ body, signing, secret }) }
    if (values.print) {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`)
      process.stdout.write(Buffer.concat([Buffer.from(`POST ${url}\n${lines.join('')}\n`), body]))
      return 0
    }
    const response = await post({ url, body, headers })
    const delivery = response.headers.get('x-lernito-delivery')
    process.stdout.write(`${response.status} ${response.statusText}\n${(await response.text()).trim()}\n`)
    if (delivery !== null) process.stdout.write(`delivery ${delivery}\n`)
    if ('id' in signing) process.stdout.write(`webhook-id ${signing.id}\n`)
    return response.ok ? 0 : 1
  },
}

interface Fields {
  readonly email?: string | undefined
  readonly course: readonly string[]
  readonly name?: string | undefined
  readonly family?: string | undefined
  readonly username?: string | undefined
}

function build({ email, course, name, family, username }: Fields): Buffer {
  if (email === undefined || course.length === 0) {
    throw usageError('send needs a FILE, or --email and --course. See: lernito-openedx send --help')
  }
  const local = email.split('@')[0] || 'buyer'
  const payload = {
    email,
    name: name ?? local,
    family: family ?? local,
    username: username ?? local,
    courseIds: course,
  }
  return Buffer.from(JSON.stringify(payload))
}

async function post(of: { url: string; body: Buffer; headers: Record<string, string> }): Promise<Response> {
  const { url, body, headers } = of
  try {
    return await fetch(url, {
      method: 'POST',
      headers,
      body: new Uint8Array(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
  } catch (cause) {
    const deeper = cause instanceof Error ? cause.cause : undefined
    const why = deeper instanceof Error ? deeper.message : String(cause)
    throw new AppError(
      'send.failed',
      `The webhook ${url} can't be reached: ${why || 'connection refused'}. Is the service running?`,
      {
        cause,
      },
    )
  }
}
