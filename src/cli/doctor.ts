import { CHECK_STATUSES, type Problem } from '../doctor/check.ts'
import { examine, type Result } from '../doctor/examine.ts'
import { command, loadDotEnv } from './command.ts'
import { plain, printJson, terminalWidth, wrapped } from './plain.ts'

/** The time for what still keeps the process alive after the results, such as a name server that never answers. */
const LINGER_MS = 500

export const doctor = command({
  name: 'doctor',
  options: { json: { type: 'boolean', default: false } },
  run: async ({ values }) => {
    loadDotEnv()
    const results = await examine({ env: process.env, now: Date.now })
    if (values.json) printJson(results)
    else process.stdout.write(render(results, terminalWidth() ?? undefined))
    const code = results.some(({ status }) => status === 'failure') ? 1 : 0
    setTimeout(() => process.exit(code), LINGER_MS).unref()
    return code
  },
})

const STATUS_WIDTH = 9
const ID_WIDTH = 24
const INDENT = ' '.repeat(STATUS_WIDTH)

/**
 * The results for people: a line for each check, and below it the causes and the fixes of its problems. Problems with
 * the same fix, such as wrong settings, share it.
 * @param width the columns of the terminal, if there is one
 */
export function render(results: readonly Result[], width = Number.POSITIVE_INFINITY): string {
  const lines = results.flatMap(({ id, about, status, detail, problems }) => {
    const told = wrapped(plain(detail ?? about), ' '.repeat(STATUS_WIDTH + ID_WIDTH), width).trimStart()
    const head = `${status.padEnd(STATUS_WIDTH)}${id.padEnd(ID_WIDTH)}${told}`
    const below = withSameFix(problems).flatMap((group) => ['', ...renderGroup(group, width)])
    return [head, ...below, ...(below.length === 0 ? [] : [''])]
  })
  return `${lines.join('\n').trimEnd()}\n\n${summary(results)}\n`
}

function withSameFix(problems: readonly Problem[]): Problem[][] {
  const groups = Map.groupBy(problems, ({ fix: { plain, tutor } }) => `${plain}\n${tutor}`)
  return [...groups.values()]
}

function renderGroup(group: readonly Problem[], width: number): string[] {
  const [first] = group
  if (first === undefined) return []
  const { plain, tutor } = first.fix
  const fix = [`What to do: ${plain}`, ...(tutor === null ? [] : [`With Tutor: ${tutor}`])]
  return [
    ...group.map(({ message }) => wrapped(message, INDENT, width)),
    ...fix.map((line) => wrapped(line, `${INDENT}  `, width)),
  ]
}

function summary(results: readonly Result[]): string {
  const counts = CHECK_STATUSES.map((status) => ({
    status,
    count: results.filter((one) => one.status === status).length,
  }))
  const words = counts
    .filter(({ count }) => count > 0)
    .map(({ status, count }) => `${count} ${count > 1 && /e$|g$/.test(status) ? `${status}s` : status}`)
  return `${words.join(', ')}.`
}
