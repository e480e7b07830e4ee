import { AppError } from '../errors.ts'
import { createTextPoster } from '../notify/post-text.ts'
import { createTestNotification, describePosted } from '../notify/test-notification.ts'
import { consoleUrlOf } from '../service/notifications.ts'
import { NOTIFY_SETTINGS } from '../settings/parts.ts'
import { readSome } from '../settings/read.ts'
import { type Command, loadDotEnv, parseOptions, usageError } from './command.ts'
import { operator, withOperations } from './operations.ts'
import { plain } from './plain.ts'

export const notify: Command = {
  name: 'notify',
  summary: 'send a test notification to the address in LERNITO_NOTIFY_URL',
  help: `Sends a test notification to the address in LERNITO_NOTIFY_URL, and says what
the receiver answered. It never prints the address, which is a secret. It works
with or without a running service. Run it where the service runs, with the same
settings.

Usage: lernito-openedx notify test

The exit code is 0 if the receiver accepted the text, 1 if it did not, 2 for
wrong usage.

Example:
  lernito-openedx notify test
`,
  run: async (args) => {
    const { positionals } = parseOptions('notify', { args: [...args], allowPositionals: true, options: {} })
    if (positionals.length !== 1 || positionals[0] !== 'test') {
      throw usageError('notify takes test. See: lernito-openedx notify --help')
    }
    loadDotEnv()
    const settings = readSome({ env: process.env, schema: NOTIFY_SETTINGS })
    const { LERNITO_NOTIFY_URL: url } = settings
    if (url === undefined) {
      throw new AppError(
        'settings.invalid',
        'LERNITO_NOTIFY_URL is not set, so there are no notifications. Set it first.',
      )
    }
    return withOperations(async ({ context }) => {
      const send = createTestNotification({
        context,
        guard: (work) => work(),
        post: createTextPoster({ url }),
        console: consoleUrlOf(settings),
        publish: () => {},
      })
      const posted = await send({ by: operator() })
      const text = `${plain(describePosted(posted))}\n`
      if (posted.ok) process.stdout.write(text)
      else process.stderr.write(text)
      return posted.ok ? 0 : 1
    })
  },
}
