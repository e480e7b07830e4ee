import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const PAGE = new URL('../docs/reference/commands.md', import.meta.url)
const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))

const INTRODUCTION = `# Commands

<!-- made by npm run docs from the help of the commands -->

\`lernito-openedx COMMAND\`, or \`npx lernito-openedx COMMAND\` in a checkout. Run a command where the service runs, as the
same user and with the same [settings](settings.md). \`lernito-openedx --version\` prints the version. When a command fails,
it prints one of these [messages](errors.md#messages-of-the-commands).
`

const helpOf = (args: readonly string[]): string =>
  execFileSync(process.execPath, [MAIN, ...args, '--help'], { encoding: 'utf8' })

/** Removes the settings from the help of serve: they have their own page. */
const withoutSettings = (help: string): string => help.replace(/\nSettings \([^\n]*\):\n( +[^\n]*\n)+/, '')

const block = (heading: string, help: string): string =>
  `${heading}\n\n\`\`\`text\n${withoutSettings(help).trimEnd()}\n\`\`\`\n`

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
      ...subcommandsOf(help).map((one) => block(`### ${name} ${one}`, helpOf([name, one]))),
    ]
  })
  return [INTRODUCTION, table, ...parts].join('\n')
}

if (import.meta.main) writeFileSync(PAGE, commandsPage())
