import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { VERSION } from '../src/service/lib/version.ts'
import { isBusy, machineFacts } from './machine.ts'
import { createStage } from './processes.ts'
import { factLines, resultLines, table } from './report.ts'
import { isMet, type Result, type Row } from './row.ts'
import { accepting } from './rows/accepting.ts'
import { addedLatency } from './rows/added-latency.ts'
import { claim } from './rows/claim.ts'
import { followUp } from './rows/follow-up.ts'
import { manyCourses, manyCoursesWithModify } from './rows/many-courses.ts'
import { memory } from './rows/memory.ts'
import { pages } from './rows/pages.ts'
import { refusing } from './rows/refusing.ts'
import { slowDisk } from './rows/slow-disk.ts'
import { throttledBurst } from './rows/throttled-burst.ts'
import { existingPeople, unknownPeople } from './rows/throughput.ts'

const ROWS: readonly Row[] = [
  unknownPeople,
  existingPeople,
  throttledBurst,
  manyCourses,
  manyCoursesWithModify,
  addedLatency,
  slowDisk,
  accepting,
  claim,
  pages,
  followUp,
  refusing,
  memory,
]

const USAGE = `Measures the figures of bench/README.md on this machine, each against its goal.

Usage: npm run bench -- [NAME]... [--json FILE]

${ROWS.map(({ name, title, takes }) => `  ${name.padEnd(21)}${title} (about ${takes} s)`).join('\n')}

The exit code is 0 whether the goals are met or not, and 1 if something could not be measured.
`

const say = (text: string): void => void process.stdout.write(`${text}\n`)

async function measure({ row, folder }: { row: Row; folder: string }): Promise<Result> {
  const stage = createStage({ folder })
  const began = performance.now()
  try {
    const measured = await row.run(stage)
    const { name, title, goal } = row
    const tookSeconds = Math.round((performance.now() - began) / 1000)
    return { name, title, goal, ...measured, met: isMet(goal, measured.value), tookSeconds }
  } finally {
    await stage.end()
  }
}

async function main(): Promise<number> {
  const { values, positionals: only } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const unknown = only.find((name) => !ROWS.some((row) => row.name === name))
  if (values.help || unknown !== undefined) {
    process.stderr.write(unknown === undefined ? USAGE : `There is no row "${unknown}".\n\n${USAGE}`)
    return unknown === undefined ? 0 : 2
  }
  // On many machines the folder for temporary files is in memory, where fsync costs nothing.
  const folder = join(import.meta.dirname, '../data', `bench-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  try {
    const facts = { version: VERSION, date: new Date().toISOString(), ...machineFacts({ folder }) }
    say(`lernito-openedx bench\n${factLines(facts)}\n`)
    if (isBusy())
      say('Other programs use the processors: expect times and rates that are worse than this machine can reach.\n')
    const results: Result[] = []
    const failures: { name: string; error: string }[] = []
    for (const row of ROWS.filter(({ name }) => only.length === 0 || only.includes(name))) {
      say(`${row.title} …`)
      try {
        const result = await measure({ row, folder: join(folder, row.name) })
        results.push(result)
        say(`${resultLines(result)}\n      took ${result.tookSeconds} s\n`)
      } catch (error) {
        failures.push({ name: row.name, error: String(error) })
        say(`      could not be measured: ${error instanceof Error ? error.stack : String(error)}\n`)
      }
    }
    say(table(results))
    for (const { name, error } of failures) say(`${name} could not be measured: ${error}`)
    if (values.json !== undefined) {
      writeFileSync(values.json, `${JSON.stringify({ machine: facts, results, failures }, null, 2)}\n`)
    }
    return failures.length === 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

process.exitCode = await main()
