import { examine } from '../doctor/examine.ts'
import { render } from '../doctor/render.ts'
import { type Command, loadDotEnv, parseOptions } from './command.ts'

/** The time for what still keeps the process alive after the results, such as a name server that never answers. */
const LINGER_MS = 500

export const doctor: Command = {
  name: 'doctor',
  summary: 'check the installation, and say how to fix it',
  help: `Checks the settings, the database, the clocks, the LMS and its APIs, the
console's sign-in and the public address, and says how to fix each problem. It
changes nothing, works with or without a running service, and ends within 15
seconds. Run it where the service runs, as the same user, with the same
settings.

Usage: lernito-openedx doctor [--json]

  --json    the results as a JSON array, with stable ids

The settings are those of "lernito-openedx serve --help". The exit code is 0 if
no check failed (a warning is not a failure), 1 if one failed, 2 for wrong
usage. docs/reference/doctor.md explains every check.

Example:
  lernito-openedx doctor --json
`,
  run: async (args) => {
    const { values } = parseOptions('doctor', {
      args: [...args],
      options: { json: { type: 'boolean', default: false } },
    })
    loadDotEnv()
    const results = await examine({ env: process.env, now: Date.now })
    process.stdout.write(values.json ? `${JSON.stringify(results, null, 2)}\n` : render(results))
    const code = results.some(({ status }) => status === 'failure') ? 1 : 0
    setTimeout(() => process.exit(code), LINGER_MS).unref()
    return code
  },
}
