import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const PAGE = new URL('../docs/reference/commands.md', import.meta.url)
const FILTER_HELP = readFileSync(new URL('../src/cli/help/filter.txt', import.meta.url), 'utf8').trimEnd()
const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))

const INTRODUCTION = `# Commands

<!-- made by npm run docs from the help of the commands -->

Run a command [where the service runs](../how-to/install.md#run-a-command), as the same user and with the same
[settings](settings.md), because it works on the service's database.

With \`--help\`, a command prints the text below and examples. Unless that says otherwise, the exit code is 0 if
everything was done, 1 if something was not, and 2 for wrong usage. Most take \`--json\`, which prints a JSON object. The
results of reconcile are [standings](states-and-reasons.md#standings).

Not listed here are \`serve\` and \`migrate\`, which the installation runs for you, [\`doctor\`](doctor.md), and
\`sandbox\`, \`send\` and \`events listen\` for [development](sandbox.md).
`

const helpOf = (args: readonly string[]): string =>
  execFileSync(process.execPath, [MAIN, ...args, '--help'], { encoding: 'utf8' })

/** Leaves out what a page says once: subcommands, common options and exit codes, standings, and the examples. */
const withoutCommon = (help: string): string =>
  help
    .replace(/Subcommands:\n(?:.*\n)*?For its options: .*\n\n/, '')
    .replace(/^ {2}--json +a JSON object\n/m, '')
    .replace(/^The exit code is 0 if everything was done(?:.+\n)+\n/m, '')
    .replace(/^The result counts the courses by standing(?:.+\n|\n(?= {2}))+\n/m, '')
    .replace(/^Examples?\b[^\n]*:\n(?: {2}.*\n)+/m, '')

/** Commands that the page leaves to their help, because an operator doesn't type them or another page has them. */
const LEFT_OUT: readonly string[] = ['serve', 'migrate', 'sandbox', 'send', 'doctor', 'events listen']

/** Replaces the options that select deliveries where another command has explained them. */
const withoutFilters = (help: string): string =>
  help.replace(FILTER_HELP, '  FILTER         the options --email to --until of "deliveries list"')

function block(heading: string, help: string): string {
  const kept = withoutCommon(help)
  return `${heading}\n\n\`\`\`text\n${kept.replace(/\n{3,}/g, '\n\n').trimEnd()}\n\`\`\`\n`
}

/** The names that a command's help lists as its subcommands. */
export const subcommandsOf = (help: string): string[] =>
  [...(/^Subcommands:\n((?: {2}.*\n)+)/m.exec(help)?.[1] ?? '').matchAll(/^ {2}([\w-]+) /gm)].map(
    ([, name = '']) => name,
  )

/** Returns docs/reference/commands.md, generated from the help of the commands. Throws if the program can't be run. */
export function commandsPage(): string {
  const usage = helpOf([])
  const isShown = (name: string): boolean => !LEFT_OUT.includes(name)
  const commands = [...usage.matchAll(/^ {2}(\w+) +.+$/gm)].map(([, name = '']) => name).filter(isShown)
  const parts = commands.flatMap((name) => {
    const help = helpOf([name])
    const subcommands = subcommandsOf(help).filter((one) => isShown(`${name} ${one}`))
    return [
      block(`## ${name}`, help),
      ...subcommands.map((one) => {
        const own = helpOf([name, one])
        return block(`### ${name} ${one}`, one === 'list' ? own : withoutFilters(own))
      }),
    ]
  })
  return [INTRODUCTION, ...parts].join('\n')
}

if (import.meta.main) writeFileSync(PAGE, commandsPage())
