import { type Command, parseOptions } from './command.ts'
import { readForm, readInput, readWebhookSecret, signPayload } from './payload-input.ts'

export const sign: Command = {
  name: 'sign',
  summary: 'print the signature of a payload',
  help: `Prints the value of X-Lernito-Signature that the shop should send with a JSON payload.

Usage: lernito-openedx sign [FILE] [--form original|readme|raw]

  FILE      the payload; "-" or no FILE reads standard input
  --form    original  the compact sorted JSON that the original plugin's code verifies (default)
            readme    the sorted JSON with spaces that the script in the original's README signs
            raw       the bytes as they are

The secret is LERNITO_WEBHOOK_SECRET, from the environment, from .env, or from the file that LERNITO_WEBHOOK_SECRET_FILE
names.

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
