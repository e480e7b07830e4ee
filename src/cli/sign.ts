import { type Command, parseOptions } from './command.ts'
import { readForm, readInput, readWebhookSecret, signPayload } from './payload-input.ts'

export const sign: Command = {
  name: 'sign',
  summary: 'print the signature of a payload',
  help: `Prints the X-Lernito-Signature of a JSON payload: what the shop should send with it.

Usage: lernito-openedx sign [FILE] [--form original|readme|raw]

  FILE      the payload; "-" or nothing reads standard input
  --form    original  the compact sorted JSON, as the original plugin's code checks it (default)
            readme    the sorted JSON with spaces, as the script in its README signs it
            raw       the bytes as they are

LERNITO_WEBHOOK_SECRET is the secret, also from .env or from the file that LERNITO_WEBHOOK_SECRET_FILE names.

Example:
  LERNITO_WEBHOOK_SECRET=lernito-sandbox-secret lernito-openedx sign payload.json
`,
  run: async (args) => {
    const { values, positionals } = parseOptions('sign', {
      args: [...args],
      allowPositionals: true,
      options: { form: { type: 'string', default: 'original' } },
    })
    const form = readForm(values.form)
    const body = await readInput({ command: 'sign', positionals })
    process.stdout.write(`${signPayload({ body, form, secret: readWebhookSecret() })}\n`)
    return 0
  },
}
