import { existsSync } from 'node:fs'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { AppError } from '../service/lib/errors.ts'
import { SETTINGS } from '../service/settings/settings.ts'

export interface Command {
  readonly name: string
  readonly summary: string
  readonly help: string
  /** Returns the exit code. Throws AppError; usage.invalid for wrong arguments. */
  /** Each has a help of its own. */
  readonly subcommands?: readonly Command[]
  readonly run: (args: readonly string[]) => Promise<number>
}

/** An error that ends the program with exit code 2. `message` says what is wrong and where the help is. */
export const usageError = (message: string, cause?: unknown): AppError =>
  new AppError('usage.invalid', message, { cause })

/** parseArgs with an error that names the command's help. Throws AppError usage.invalid. */
export function parseOptions<const Config extends ParseArgsConfig>(
  command: string,
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw usageError(`${why}\nSee: lernito-openedx ${command} --help`, cause)
  }
}

/** Loads the file .env in the working folder, if there is one. Variables that are set already take precedence. */
export function loadDotEnv(): void {
  if (existsSync('.env')) process.loadEnvFile('.env')
}

/** The subcommands as a section of their command's help. */
export function subcommandsHelp(name: string, subcommands: readonly Command[]): string {
  const width = Math.max(...subcommands.map((one) => one.name.length)) + 2
  const lines = subcommands.map((one) => `  ${one.name.padEnd(width)}${one.summary}\n`)
  return `Subcommands:\n${lines.join('')}\nFor its options: lernito-openedx ${name} SUBCOMMAND --help\n`
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

/** The settings as a section of a command's help, generated from their declaration. */
export function settingsHelp(): string {
  const lines = SETTINGS.map(({ name, meaning, fallback, required }) => {
    const presence = required ? 'required' : fallback === undefined ? 'optional' : `default ${fallback}`
    return `  ${name} (${presence})\n${wrapped(meaning, '      ')}`
  })
  return `Settings (environment variables, or a file .env in the working folder):\n${lines.join('\n')}\n`
}
