import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ROOT } from '../service/process.ts'

interface Instruction {
  readonly word: string
  /** As written, with continued lines joined. */
  readonly text: string
}

export interface Stage {
  readonly base: string
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
      return { word, text }
    })
}

/** The stages of a Dockerfile; what comes before the first FROM belongs to none. */
export function stagesOf(instructions: readonly Instruction[]): Stage[] {
  const starts = [...instructions.keys()].filter((index) => instructions[index]?.word === 'FROM')
  return starts.map((start, index) => {
    const [, base = ''] = /^(?:--\S+ +)*(\S+)/.exec(instructions[start]?.text ?? '') ?? []
    return { base, instructions: instructions.slice(start + 1, starts[index + 1]) }
  })
}

/** What an exec form says, such as `["serve"]`. Throws for a shell form. */
export const execForm = (text: string): string[] => z.array(z.string()).parse(JSON.parse(text))

/** The `A=1 B="2"` of ENV and LABEL. */
export function assignments(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)]
  return Object.fromEntries(pairs.map(([, name = '', quoted, plain = '']) => [name, quoted ?? plain]))
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
