import { existsSync, readFileSync } from 'node:fs'
import { type ParseArgsOptionDescriptor, parseArgs } from 'node:util'
import { AppError } from '../service/lib/errors.ts'
import { editDistance } from '../shop/courses/closest-course.ts'
import { plain } from './plain.ts'

/** A command as the usage of the program, or of its group, lists it. */
export interface Listed {
  readonly name: string
  readonly summary: string
}

export interface Command {
  readonly name: string
  /** What --help prints: the text of the command in the folder help, with its placeholders filled. */
  readonly help: string
  /** Each has a help of its own. */
  readonly subcommands?: readonly (Command & Listed)[]
  /** Returns the exit code. Throws AppError; usage.invalid for wrong arguments. */
  readonly run: (args: readonly string[]) => Promise<number>
}

/** The options as parseArgs takes them. */
type Options = Readonly<Record<string, ParseArgsOptionDescriptor>>
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
  /** Of a subcommand; the usage of the program has those of the commands. */
  summary?: string
  options: Of
  positionals?: boolean
  /** What fills placeholders of its help. */
  parts?: Readonly<Record<string, () => string>>
  run: (given: Parsed<Of>) => Promise<number>
}): Command & Listed {
  const { name, parent, summary = '', options, positionals: allowPositionals = false, parts = {}, run } = of
  const path = parent === undefined ? name : `${parent} ${name}`
  return {
    name,
    summary,
    get help() {
      return helpText(path.replace(' ', '-'), { filter: () => helpText('filter').trimEnd(), ...parts })
    },
    run: async (args) => {
      let given: Parsed<Of>
      try {
        given = parseArgs({ args: [...args], options, allowPositionals })
      } catch (cause) {
        const wrong =
          wrongIn({ args, options, allowPositionals }) ?? (cause instanceof Error ? cause.message : `${cause}`)
        throw usageError(`${wrong} ${seeHelp(path)}`, cause)
      }
      return run(given)
    },
  }
}

/** What is wrong in arguments that parseArgs refuses; null if it refuses them for another reason. */
function wrongIn(of: { args: readonly string[]; options: Options; allowPositionals: boolean }): string | null {
  const { args, options, allowPositionals } = of
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true })
  for (const token of tokens) {
    if (token.kind === 'positional' && !allowPositionals) return `"${plain(token.value)}" is one argument too many.`
    if (token.kind !== 'option') continue
    const name = plain(token.rawName)
    const option = options[token.name]
    if (option === undefined)
      return `There is no option ${name}.${didYouMean(
        name,
        Object.keys(options).map((one) => `--${one}`),
      )}`
    const isGiven = token.value !== undefined
    if (option.type === 'boolean' && isGiven) return `${name} takes no value.`
    if (option.type === 'string' && !isGiven) return `${name} needs a value.`
    if (token.value?.startsWith('-') && !token.inlineValue) {
      return `${name} needs a value. If ${plain(token.value)} is one, write ${name}=${plain(token.value)}.`
    }
  }
  return null
}

/** Declares a command that has nothing but subcommands. */
export function commandGroup(of: { name: string; subcommands: readonly (Command & Listed)[] }): Command {
  const { name, subcommands } = of
  const listed = (): string =>
    `Subcommands:\n${listText(subcommands)}\nFor its options: lernito-openedx ${name} SUBCOMMAND --help\n`
  return {
    name,
    get help() {
      return helpText(name, { subcommands: listed })
    },
    subcommands,
    run: async ([first, ...args]) => {
      if (first === undefined)
        throw misused(name, `needs a subcommand: ${subcommands.map((one) => one.name).join(', ')}`)
      return findNamed({ name: first, among: subcommands, path: name }).run(args)
    },
  }
}

/** Commands with their summaries, each on a line. */
export function listText(commands: readonly Listed[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 2
  return commands.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}\n`).join('')
}

/**
 * The command with this name. Throws AppError usage.invalid, with the name that was probably meant, if there is none.
 * @param of.path the command whose subcommands they are; '' for the program's own commands
 */
export function findNamed<One extends Listed>(of: { name: string; among: readonly One[]; path: string }): One {
  const { name, among, path } = of
  const found = among.find((one) => one.name === name)
  if (found !== undefined) return found
  const what = path === '' ? `There is no command "${plain(name)}".` : `${path} has no subcommand "${plain(name)}".`
  const meant = didYouMean(
    name,
    among.map((one) => one.name),
  )
  throw usageError(`${what}${meant} ${seeHelp(path)}`)
}

/** A name with more wrong characters than this was not a typing error. */
const TYPOS = 2

/** The question that names what a misspelled name most likely meant; '' if nothing is similar. */
function didYouMean(given: string, names: readonly string[]): string {
  const near = names
    .map((name) => ({ name, distance: name.startsWith(given) ? 0 : editDistance(given, name) }))
    .filter(({ name, distance }) => distance <= TYPOS && distance < name.length / 2)
    .sort((a, b) => a.distance - b.distance)[0]
  return near === undefined ? '' : ` Did you mean ${near.name}?`
}

/** An error that ends the program with exit code 2. `message` says what is wrong. */
export const usageError = (message: string, cause?: unknown): AppError =>
  new AppError('usage.invalid', message, { cause })

/** The same for what a command takes or needs; it ends with where the help is. */
export const misused = (command: string, what: string): AppError =>
  usageError(`${command} ${what}. ${seeHelp(command)}`)

const seeHelp = (command: string): string => `See: lernito-openedx ${command === '' ? '' : `${command} `}--help`

const FILE_FAULTS = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'this user may not read it'],
  ['EISDIR', 'it is a folder'],
])

/** Why a file can't be read, in a few words. */
export function fileFault(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return FILE_FAULTS.get('code' in cause ? String(cause.code) : '') ?? cause.message
}

/** Loads the file .env in the working folder, if there is one. Variables that are set already take precedence. */
export function loadDotEnv(): void {
  if (existsSync('.env')) process.loadEnvFile('.env')
}

/** Reads a text of the folder help, and fills its placeholders. */
function helpText(name: string, parts: Readonly<Record<string, () => string>> = {}): string {
  const text = readFileSync(new URL(`./help/${name}.txt`, import.meta.url), 'utf8')
  return text.replace(/\{(\w+)\}/g, (placeholder, part: string) => parts[part]?.() ?? placeholder)
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
