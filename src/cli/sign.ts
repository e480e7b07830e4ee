import { type Command, parseOptions } from './command.ts'
import { readInput, readSigning, readWebhookSecret, signatureHeaders } from './payload-input.ts'

export const sign: Command = {
  name: 'sign',
  summary: 'print the signature of a payload',
  help: `Prints the value of X-Lernito-Signature that the shop should send with a JSON
payload; with --standard, the three headers of Standard Webhooks, one on a line,
which are valid for 5 minutes.

Usage: lernito-openedx sign [FILE]
                            [--form original|readme|raw | --standard [--id ID]]

  FILE        the payload; "-" or no FILE reads standard input
  --form      original  the compact sorted JSON that the original plugin's code
                        verifies (default)
              readme    the sorted JSON with spaces that the script in the
                        original's README signs
              raw       the body as it is
  --standard  sign the id, the time and the body as it is, by Standard Webhooks
  --id        the webhook-id (default: a new one)

The secret is LERNITO_WEBHOOK_SECRET, from the environment, from .env, or from
the file that LERNITO_WEBHOOK_SECRET_FILE names.

Example:
  LERNITO_WEBHOOK_SECRET=lernito-sandbox-secret \\
    lernito-openedx sign payload.json
`,
  run: async (args) => {
    const { values, positionals } = parseOptions('sign', {
      args: [...args],
      allowPositionals: true,
      options: { form: { type: 'string' }, standard: { type: 'boolean', default: false }, id: { type: 'string' } },
    })
    const signing = readSigning(values)
    const body = await readInput({ command: 'sign', positionals })
    const headers = Object.entries(signatureHeaders({ body, signing, secret: readWebhookSecret() }))
    const lines = headers.map(([name, value]) => (values.standard ? `${name}: ${value}` : value))
    process.stdout.write(`${lines.join('\n')}\n`)
    return 0
  },
}
