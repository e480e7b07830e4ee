import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { z } from 'zod'
import { ROOT } from '../service/process.ts'

export interface Instruction {
  readonly word: string
  /** As written, with continued lines joined. */
  readonly text: string
  /** `--from=build` as `{ from: 'build' }`, taken off `rest`. */
  readonly flags: Readonly<Record<string, string>>
  readonly rest: string
}

export interface Stage {
  readonly base: string
  readonly name: string
  readonly instructions: readonly Instruction[]
}

/** The instructions of a Dockerfile: no comments, continued lines joined. */
export function instructionsOf(dockerfile: string): Instruction[] {
  const joined = dockerfile.replace(/^\s*#.*\n/gm, '').replace(/\\\n\s*/g, ' ')
  return joined
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, word = '', text = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? []
      const [, given = '', rest = ''] = /^((?:--\S+ +)*)(.*)$/.exec(text) ?? []
      const flags = [...given.matchAll(/--([^=\s]+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value])
      return { word, text, flags: Object.fromEntries(flags), rest }
    })
}

/** The stages of a Dockerfile; what comes before the first FROM belongs to none. */
export function stagesOf(instructions: readonly Instruction[]): Stage[] {
  const starts = [...instructions.keys()].filter((index) => instructions[index]?.word === 'FROM')
  return starts.map((start, index) => {
    const [base = '', , name = ''] = instructions[start]?.rest.split(' ') ?? []
    return { base, name, instructions: instructions.slice(start + 1, starts[index + 1]) }
  })
}

/** What an exec form says, such as `["serve"]`. Throws for a shell form. */
export const execForm = (text: string): string[] => z.array(z.string()).parse(JSON.parse(text))

/** The `A=1 B="2"` of ENV and LABEL, with what it refers to put in. */
export function assignments(text: string, known: Readonly<Record<string, string>> = {}): Record<string, string> {
  const pairs = [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)]
  return Object.fromEntries(
    pairs.map(([, name = '', quoted, plain = '']) => [
      name,
      (quoted ?? plain).replace(/\$\{(\w+)\}/g, (_, variable: string) => known[variable] ?? ''),
    ]),
  )
}

/** The files of the checkout that .dockerignore lets into a build: it allows names and refuses all others. */
export function contextFiles(): string[] {
  const lines = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n')
  const rules = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (rules[0] !== '*') throw new Error('.dockerignore does not begin by refusing everything')
  const allowed = rules.slice(1).map((rule) => rule.replace(/^!/, ''))
  return allowed.flatMap((path) =>
    path.endsWith('/') ? globSync(`${path}**/*`, { cwd: ROOT, withFileTypes: false }) : [path],
  )
}

/**
 * Does what a build does, without a daemon: each stage gets a folder for its root, COPY copies, and RUN runs with this
 * machine's shell and this Node.js. Gives the last stage's root.
 */
export function build({ stages, folder }: { stages: readonly Stage[]; folder: string }): string {
  const path = [dirname(process.execPath), process.env.PATH ?? ''].join(delimiter)
  const env = { ...process.env, PATH: path, npm_config_prefer_offline: 'true' }
  for (const [index, { instructions }] of stages.entries()) {
    const root = join(folder, String(index))
    let here = '/'
    for (const { word, flags, rest } of instructions) {
      if (word === 'WORKDIR') {
        here = rest
        mkdirSync(join(root, here), { recursive: true })
      }
      if (word === 'COPY') {
        const paths = rest.split(/\s+/)
        const to = paths.pop() ?? ''
        const target = join(root, to.startsWith('/') ? to : join(here, to))
        const source = flags.from === undefined ? null : stages.findIndex(({ name }) => name === flags.from)
        for (const from of paths) {
          if (source !== null) copy(join(folder, String(source), from), target, to)
          else if (from !== '.') copy(join(ROOT, from), target, './')
          else for (const file of contextFiles()) copy(join(ROOT, file), join(target, file), '')
        }
        const owner = flags.chown
        if (owner !== undefined && process.getuid?.() === 0) execFileSync('chown', ['-R', owner, target])
      }
      if (word === 'RUN') execFileSync('sh', ['-c', rest], { cwd: join(root, here), env, stdio: 'pipe' })
    }
  }
  return join(folder, String(stages.length - 1))
}

/** A folder's contents go to the target; a file goes into it if the target ends in a slash. */
function copy(from: string, target: string, written: string): void {
  const into = written.endsWith('/') ? join(target, from.slice(from.lastIndexOf('/') + 1)) : target
  cpSync(from, into, { recursive: true, verbatimSymlinks: true })
}
