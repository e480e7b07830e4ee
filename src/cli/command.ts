import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { type ParseArgsOptionDescriptor, parseArgs } from 'node:util'
import { AppError, messageOf } from '../service/lib/errors.ts'
import { plain } from './plain.ts'

/** Runs a command with the arguments after its name. Returns the exit code. Throws AppError; usage.invalid for wrong arguments. */
export type Command = (args: readonly string[]) => Promise<number>

/** The options as parseArgs takes them. */
type Options = Readonly<Record<string, ParseArgsOptionDescriptor>>
type Parsed<Of extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Of; allowPositionals: boolean }>
>

/**
 * Declares a command by its options. `name`: all words of it, such as `deliveries list`; its help is in the file of that
 * name in help/. `positionals`: whether it takes arguments besides the options. `run` gets what was given and returns the
 * exit code.
 */
export function command<const Of extends Options>(of: {
  name: string
  options: Of
  positionals?: boolean
  /** What fills placeholders of its help. */
  parts?: Readonly<Record<string, () => string>>
  run: (given: Parsed<Of>) => Promise<number>
}): Command {
  const { name, options, positionals: allowPositionals = false, parts, run } = of
  return async (args) => {
    const end = args.indexOf('--')
    if (args.slice(0, end === -1 ? args.length : end).some(isHelp)) return printHelp(name, parts)
    let given: Parsed<Of>
    try {
      given = parseArgs({ args: [...args], options, allowPositionals })
    } catch (cause) {
      // Node.js goes on about arguments that begin with a dash, which nobody means who mistypes an option.
      const [what = ''] = messageOf(cause).replaceAll('\n', ' ').split('. To specify a positional argument')
      throw usageError(`${plain(what).replace(/\.?$/, '.')} ${seeHelp(name)}`, cause)
    }
    return run(given)
  }
}

/**
 * Declares a command that has nothing but subcommands; `name` is '' for the program itself. Each is loaded when it runs,
 * because the others would only delay it.
 */
export function commandGroup(of: {
  name: string
  subcommands: Readonly<Record<string, () => Command | Promise<Command>>>
}): Command {
  const { name, subcommands } = of
  return async ([first, ...args]) => {
    if (first === undefined) throw misused(name, `needs a subcommand: ${Object.keys(subcommands).join(', ')}`)
    if (isHelp(first)) return printHelp(name)
    const load = new Map(Object.entries(subcommands)).get(first)
    if (load !== undefined) return (await load())(args)
    const what = name === '' ? `There is no command "${plain(first)}"` : `${name} has no subcommand "${plain(first)}"`
    throw usageError(`${what}. ${seeHelp(name)}`)
  }
}

const isHelp = (arg: string): boolean => arg === '--help' || arg === '-h'

function printHelp(name: string, parts?: Readonly<Record<string, () => string>>): number {
  process.stdout.write(helpText(name, parts))
  return 0
}

/** The help of a command; '' is the program. Without a part of that name, a placeholder stands for another file of help/. */
export function helpText(name: string, parts: Readonly<Record<string, () => string>> = {}): string {
  const file = name === '' ? 'program' : name.replaceAll(' ', '-')
  const text = readFileSync(new URL(`./help/${file}.txt`, import.meta.url), 'utf8')
  return text.replace(/\{(\w+)\}/g, (_placeholder, part: string) => parts[part]?.() ?? helpText(part).trimEnd())
}

/** An error that ends the program with exit code 2. `message` says what is wrong. */
export const usageError = (message: string, cause?: unknown): AppError =>
  new AppError('usage.invalid', message, { cause })

/** The same for what a command takes or needs; it ends with where the help is. */
export const misused = (command: string, what: string): AppError =>
  usageError(`${command} ${what}. ${seeHelp(command)}`)

const seeHelp = (command: string): string => `See: lernito-openedx ${command === '' ? '' : `${command} `}--help`

/** The only argument of a command besides its options. `what` it is: `one ID`. Throws AppError usage.invalid. */
export function onlyArgument(command: string, what: string, [first, ...more]: readonly string[]): string {
  if (first === undefined || more.length > 0) throw misused(command, `takes ${what}`)
  return first
}

/** The number that an option gives. Throws AppError usage.invalid unless it is a whole one from `least` to `most`. */
export function numberIn(of: { option: string; text: string; least: number; most: number }): number {
  const { option, text, least, most } = of
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (number >= least && number <= most) return number
  throw usageError(`--${option} ${plain(text)} is not a whole number from ${least} to ${most}.`)
}

/** The port that an option gives; 0 means any that is free. Throws AppError usage.invalid. */
export const portIn = (option: string, text: string): number => numberIn({ option, text, least: 0, most: 65_535 })

/**
 * Waits for what listens on the port of an option, and names the option if that fails. Throws AppError address.in_use, and
 * what else `starting` throws.
 */
export async function namingOption<Started>(option: string, starting: Promise<Started>): Promise<Started> {
  try {
    return await starting
  } catch (cause) {
    const system = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    if (!(system instanceof Error && 'syscall' in system && system.syscall === 'listen')) throw cause
    // As when serve can't listen: only a port that is taken has a program in the way.
    const isTaken = 'code' in system && system.code === 'EADDRINUSE'
    const choose = isTaken ? 'Stop the program that listens there, or choose' : 'Choose'
    throw new AppError(
      'address.in_use',
      `The port can't be used (${system.message}). ${choose} another port with ${option}.`,
      { cause },
    )
  }
}

/** The choice that an option gives. Throws AppError usage.invalid for any other text. */
export function choiceIn<const Choice extends string>(
  option: string,
  text: string,
  choices: readonly Choice[],
): Choice {
  const choice = choices.find((one) => one === text)
  if (choice !== undefined) return choice
  throw usageError(`--${option} must be one of ${choices.join(', ')}, not ${plain(text)}.`)
}

/**
 * Loads the file .env in the working folder, if there is one; a folder of that name is a virtual environment of Python.
 * Variables that are set already take precedence. Throws AppError file.unreadable.
 */
export function loadDotEnv(): void {
  if (statSync('.env', { throwIfNoEntry: false })?.isDirectory() ?? true) return
  try {
    process.loadEnvFile('.env')
  } catch (cause) {
    // Node's own message says that there is no such file.
    const message = `This user may not read the settings in ${resolve('.env')}. Run the command as the user of the service, or in another folder.`
    throw new AppError('file.unreadable', message, { cause })
  }
}

/**
 * Aborted by Ctrl-C or SIGTERM, after which a command says how far it has come. A second signal ends the process at once.
 */
export function interruption(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  return stop.signal
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
  const signalled = once(interruption(), 'abort').then(() => {
    setTimeout(() => process.exit(1), HARD_STOP_MS + drainMs).unref()
  })
  await start()
  await Promise.race([signalled, failed ?? signalled])
  await stop()
  return 0
}
