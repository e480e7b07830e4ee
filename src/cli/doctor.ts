import { examine } from '../doctor/examine.ts'
import { render } from '../doctor/render.ts'
import { type Command, loadDotEnv, parseOptions } from './command.ts'

/** For what still holds the process after the results are printed, such as a name server that never answers. */
const LINGER_MS = 500

export const doctor: Command = {
  name: 'doctor',
  summary: 'look for what is wrong with the installation, and say what to do',
  help: `Checks the settings, the database, the clocks, the LMS and its API, the console's sign-in and the public address,
and says for each fault what to do. It changes nothing, may run beside the service or without it, and ends within
15 seconds. Run it where the service runs, as the same user, with the same settings.

Usage: lernito-openedx doctor [--json]

  --json    the results as a JSON array, with stable ids

The settings are those of "lernito-openedx serve --help". The exit code is 0 if nothing failed (warnings are no
failure), 1 if something did, 2 for wrong usage. docs/reference/doctor.md explains every check.

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
