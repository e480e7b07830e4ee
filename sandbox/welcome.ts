import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

const DEMO = 'course-v1:edX+DemoX+Demo_Course'

/**
 * Writes the settings of the sandbox into `file`, for a shell to source, and returns its absolute path. Only its owner may
 * read it. Settings without a value are in it too: they hide those in a file .env. Throws what the file system throws.
 */
export function writeEnvironment({ file, env }: { file: string; env: Readonly<Record<string, string>> }): string {
  const lines = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}\n`)
  const path = resolve(file)
  writeFileSync(path, `# The settings of the running sandbox: . ${quoted(path)}\n${lines.join('')}`, { mode: 0o600 })
  return path
}

/** A word for the shell. */
const quoted = (text: string): string => (/^[\w./:@+=-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)

/** The first text of the sandbox: its addresses, and steps that work in this order in one terminal and one browser. */
export function welcome(of: {
  url: string
  lmsUrl: string
  password: string
  /** The address of a person who can sign in to the console; null without one. */
  operator: string | null
  /** The file to source. */
  environment: string
  /** Whether LERNITO_WEBHOOK_SECRET has to be set besides. */
  hasOwnSecret: boolean
}): string {
  const { url, lmsUrl, password, operator, environment, hasOwnSecret } = of
  const webhook = `${url}/api/lernito/webhook/`
  const send = (email: string): string => `  npx lernito-openedx send --email ${email} \\\n    --course ${DEMO}`
  return `
lernito-openedx is running against a stand-in LMS, on this machine only.

  Webhook        ${webhook}
  Stand-in LMS   ${lmsUrl}/${operator === null ? '' : `\n  Console        ${url}/lernito/console/`}

In a second terminal, in this folder, load the settings of the sandbox${hasOwnSecret ? ', and set LERNITO_WEBHOOK_SECRET as here' : ''}:

  . ${quoted(environment)}

1. Sell a course to a person who has an account:

${send('alice@example.com')}

   The course is on the dashboard: sign in at ${lmsUrl}/login
   as alice@example.com with the password ${password}

2. Sell it to a person without an account:

${send('newcomer@example.com')}

   Register with that address at ${lmsUrl}/register
   Activate the account and sign in: the course is on the dashboard.

3. See both sales as an operator:

  npx lernito-openedx deliveries list
${operator === null ? '' : consoleStep({ url, lmsUrl, password, operator })}
Ctrl+C stops everything. The log of the service follows.

`
}

const consoleStep = (of: { url: string; lmsUrl: string; password: string; operator: string }): string => `
   In the console too, which is for staff. Sign the learner out first,
   at ${of.lmsUrl}/logout
   Then open ${of.url}/lernito/console/
   and sign in as ${of.operator} with the password ${of.password}
`
