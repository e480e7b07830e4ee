import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const PAGE = new URL('../docs/reference/commands.md', import.meta.url)
const FILTER_HELP = readFileSync(new URL('../src/cli/help/filter.txt', import.meta.url), 'utf8').trimEnd()
const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))

const INTRODUCTION = `# Commands

<!-- made by npm run docs from the help of the commands -->

Run a command where the service runs, as the same user and with the same [settings](settings.md), because it works on the
service's database:

| installation | how to run a command |
| --- | --- |
| a checkout | \`npx lernito-openedx COMMAND\` |
| npm, systemd | \`lernito-openedx COMMAND\`, with the script from [Install](../how-to/install.md) |
| Docker | \`docker exec lernito lernito-openedx COMMAND\` |
| Compose | \`docker compose exec lernito lernito-openedx COMMAND\` |
| Kubernetes | \`kubectl exec deploy/lernito-openedx -- lernito-openedx COMMAND\` |
| Tutor | \`tutor local exec lernito lernito-openedx COMMAND\` |

Every command prints its help with \`--help\`. With \`--json\`, where a usage names it, a command prints a JSON object, for
scripts. \`lernito-openedx --version\` prints the version. If a message alone doesn't explain a failure, see
[Errors](errors.md#messages-of-the-commands).
`

const helpOf = (args: readonly string[]): string =>
  execFileSync(process.execPath, [MAIN, ...args, '--help'], { encoding: 'utf8' })

/** Removes the settings from the help of serve: they have their own page. */
const withoutSettings = (help: string): string => help.replace(/\nSettings \([^\n]*\):\n( +[^\n]*\n)+/, '')

/** Leaves out what the page says once: the subcommands, which follow, and the common options. */
const withoutCommon = (help: string): string =>
  help.replace(/Subcommands:\n(?:.*\n)*?For its options: .*\n\n/, '').replace(/^ {2}--json +a JSON object\n/m, '')

/** Replaces the options that select deliveries where another command has explained them. */
const withoutFilters = (help: string): string =>
  help.replace(FILTER_HELP, '  FILTER         the options --email to --until of "deliveries list"')

const block = (heading: string, help: string): string =>
  `${heading}\n\n\`\`\`text\n${withoutCommon(withoutSettings(help)).trimEnd()}\n\`\`\`\n`

/** The names that a command's help lists as its subcommands. */
export const subcommandsOf = (help: string): string[] =>
  [...(/^Subcommands:\n((?: {2}.*\n)+)/m.exec(help)?.[1] ?? '').matchAll(/^ {2}([\w-]+) /gm)].map(
    ([, name = '']) => name,
  )

/** Returns docs/reference/commands.md, generated from the help of the commands. Throws if the program can't be run. */
export function commandsPage(): string {
  const usage = helpOf([])
  const commands = [...usage.matchAll(/^ {2}(\w+) +(.+)$/gm)].map(([, name = '', summary = '']) => ({ name, summary }))
  const rows = commands.map(({ name, summary }) => `| [\`${name}\`](#${name}) | ${summary} |\n`)
  const table = `| command | purpose |\n| --- | --- |\n${rows.join('')}`
  const parts = commands.flatMap(({ name }) => {
    const help = helpOf([name])
    return [
      block(`## ${name}`, help),
      ...subcommandsOf(help).map((one) => {
        const own = helpOf([name, one])
        return block(`### ${name} ${one}`, one === 'list' ? own : withoutFilters(own))
      }),
    ]
  })
  return [INTRODUCTION, table, ...parts].join('\n')
}

if (import.meta.main) writeFileSync(PAGE, commandsPage())
