import { existsSync, readFileSync } from 'node:fs'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { AppError } from '../service/lib/errors.ts'
import { SETTINGS } from '../service/settings/settings.ts'

export interface Command {
  readonly name: string
  readonly summary: string
  /** What --help prints: the text of the command in the folder help, with its placeholders filled. */
  readonly help: string
  /** Each has a help of its own. */
  readonly subcommands?: readonly Command[]
  /** Returns the exit code. Throws AppError; usage.invalid for wrong arguments. */
  readonly run: (args: readonly string[]) => Promise<number>
}

type Options = NonNullable<ParseArgsConfig['options']>
type Parsed<Of extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Of; allowPositionals: boolean }>
>

/**
 * Declares a command by its options. `parent`: the command whose subcommand it is. `positionals`: whether it takes
 * arguments besides the options. `run` gets what was given and returns the exit code. Its help is in help/NAME.txt.
 */
export function command<const Of extends Options>(of: {
  name: string
  parent?: string
  summary: string
  options: Of
  positionals?: boolean
  run: (given: Parsed<Of>) => Promise<number>
}): Command {
  const { name, parent, summary, options, positionals: allowPositionals = false, run } = of
  const path = parent === undefined ? name : `${parent} ${name}`
  return {
    name,
    summary,
    get help() {
      return helpText(path.replace(' ', '-'), { filter: () => helpText('filter').trimEnd(), settings: settingsHelp })
    },
    run: async (args) => {
      let given: Parsed<Of>
      try {
        given = parseArgs({ args: [...args], options, allowPositionals })
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause)
        throw usageError(`${why}\n${seeHelp(path)}`, cause)
      }
      return run(given)
    },
  }
}

/** Declares a command that has nothing but subcommands. */
export function commandGroup(of: { name: string; summary: string; subcommands: readonly Command[] }): Command {
  const { name, summary, subcommands } = of
  const names = subcommands.map((one) => one.name)
  const listed = (): string => {
    const width = Math.max(...names.map((one) => one.length)) + 2
    const lines = subcommands.map((one) => `  ${one.name.padEnd(width)}${one.summary}\n`)
    return `Subcommands:\n${lines.join('')}\nFor its options: lernito-openedx ${name} SUBCOMMAND --help\n`
  }
  return {
    name,
    summary,
    get help() {
      return helpText(name, { subcommands: listed })
    },
    subcommands,
    run: async ([first = '', ...args]) => {
      const subcommand = subcommands.find((one) => one.name === first)
      if (subcommand !== undefined) return subcommand.run(args)
      throw misused(name, `takes ${names.join(', ')}`)
    },
  }
}

/** An error that ends the program with exit code 2. `message` says what is wrong. */
export const usageError = (message: string, cause?: unknown): AppError =>
  new AppError('usage.invalid', message, { cause })

/** The same for what a command takes or needs; it ends with where the help is. */
export const misused = (command: string, what: string): AppError =>
  usageError(`${command} ${what}. ${seeHelp(command)}`)

const seeHelp = (command: string): string => `See: lernito-openedx ${command} --help`

/** Loads the file .env in the working folder, if there is one. Variables that are set already take precedence. */
export function loadDotEnv(): void {
  if (existsSync('.env')) process.loadEnvFile('.env')
}

const COLUMNS = 80

/** A text of words in lines of at most 80 columns, each indented by `indent`. A longer word has a line of its own. */
function wrapped(text: string, indent: string): string {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && `${last} ${word}`.length <= COLUMNS) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(`${indent}${word}`)
  }
  return lines.join('\n')
}

/** Reads a text of the folder help, and fills its placeholders. */
function helpText(name: string, parts: Readonly<Record<string, () => string>> = {}): string {
  const text = readFileSync(new URL(`./help/${name}.txt`, import.meta.url), 'utf8')
  return text.replace(/\{(\w+)\}/g, (placeholder, part: string) => parts[part]?.() ?? placeholder)
}

/** The settings as a section of a command's help, generated from their declaration. */
function settingsHelp(): string {
  const lines = SETTINGS.map(({ name, meaning, fallback, required }) => {
    const presence = required ? 'required' : fallback === undefined ? 'optional' : `default ${fallback}`
    return `  ${name} (${presence})\n${wrapped(meaning, '      ')}`
  })
  return `Settings (environment variables, or a file .env in the working folder):\n${lines.join('\n')}\n`
}

const HARD_STOP_MS = 7_800

/**
 * Starts, waits for SIGTERM or SIGINT, and stops; returns the exit code. A signal during the start takes effect after
 * the start. If the stop hangs, the process exits within 8 s and `drainMs` of the signal: every accepted delivery is in
 * the database. Throws what `start` and `stop` throw.
 */
export async function runUntilSignal({
  start,
  stop,
  failed,
  drainMs = 0,
}: {
  start: () => Promise<unknown>
  /** Resolves when it can't go on, and has to be stopped without a signal. */
  failed?: Promise<void>
  stop: () => Promise<void>
  /** How long `stop` keeps serving first, ms. */
  drainMs?: number
}): Promise<number> {
  const signalled = new Promise<void>((resolve) => {
    const onSignal = (): void => {
      setTimeout(() => process.exit(1), HARD_STOP_MS + drainMs).unref()
      resolve()
    }
    process.once('SIGTERM', onSignal)
    process.once('SIGINT', onSignal)
  })
  await start()
  await Promise.race([signalled, failed ?? signalled])
  await stop()
  return 0
}
