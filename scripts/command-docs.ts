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
everything was done, 1 if something was not, and 2 for wrong usage. Most take \`--json\`, which prints a JSON object.
The fields of a delivery are [below](#json-of-a-delivery). The results of reconcile are
[standings](states-and-reasons.md#standings).

Not listed here are \`serve\` and \`migrate\`, which the installation runs for you, [\`doctor\`](doctor.md), and
\`sandbox\`, \`send\` and \`events listen\` for [development](sandbox.md).
`

const JSON_OF_A_DELIVERY = `## JSON of a delivery

With \`--json\`, \`deliveries list\` and \`deliveries show\` print a delivery with these fields. Times are ISO 8601 in UTC, and
what isn't known or didn't happen is \`null\`. Later versions may add fields.

| field | what it has |
| --- | --- |
| \`id\`, \`webhookId\` | the delivery's id, and the shop's |
| \`state\` | the [state](states-and-reasons.md#states-of-a-delivery) |
| \`reason\` | \`code\`, the [reason](states-and-reasons.md#reasons), and \`subject\`, the course or text that it is about |
| \`source\` | \`shop\`, or \`test\` for a test sale |
| \`email\`, \`username\`, \`name\`, \`courseIds\` | the buyer and the courses as the shop sent them |
| \`receivedAt\`, \`activeAt\`, \`settledAt\`, \`doneAt\`, \`replayedAt\` | when it came, changed last, got its last result, was first enrolled or pre-enrolled in every course, and was last replayed |
| \`dueAt\`, \`attempts\` | when the next attempt is due, and how many have failed |
| \`replaces\`, \`replacedBy\` | the delivery before a correction, and the one after it |
| \`handled\`, \`handledAs\` | who handled it, when, and their note, and how: \`settled\` in another way, or \`paid_back\` |
| \`lines\` | a line for each course, as below |
| \`request\`, \`body\`, \`form\` | only in \`show\`: the sale, the text that the shop sent, and how it was signed |
| \`timeline\`, \`unreadable\` | only in \`show\`: what happened, in order, and why its request can't be read |

A line has these fields:

| field | what it has |
| --- | --- |
| \`sent\`, \`course\` | the course key as the shop sent it, and as the LMS spells it |
| \`result\` | \`enrolled\`, or \`allowed\` where an allowance was made |
| \`standing\` | the [standing](states-and-reasons.md#standings) that the last check found, the course mode, and since when |
| \`account\` | id and username of the account that got it |
| \`named\` | \`true\` while a call that named this account is in doubt |
| \`gave\`, \`modeBefore\` | \`true\` if a call of the service gave the course or may have, \`false\` if the buyer [had it before](refunds-and-status.md#what-the-buyer-keeps), and the course mode that the sale raised |
| \`claimed\` | \`true\` once this account has used the allowance |
| \`achievement\` | when a check found that the buyer had passed, with grade and certificate |
| \`withdrawal\` | the newest refund or withdrawal: \`endedAt\` is \`null\` while it is open, and \`message\` says why it waits or failed |
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
  return [INTRODUCTION, ...parts, JSON_OF_A_DELIVERY].join('\n')
}

if (import.meta.main) writeFileSync(PAGE, commandsPage())
