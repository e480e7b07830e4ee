import { type Command, parseOptions, usageError } from '../cli/command.ts'
import { noDelivery, operator, readLmsSettings, withOperations } from '../cli/operations.ts'
import { plain, plainJson } from '../cli/plain.ts'
import { findCourse } from '../enrollment/closest-course.ts'
import type { Changes, Corrected } from '../operations/correct.ts'
import type { Operations, PlannedCorrection } from '../operations/operations.ts'
import { openLms } from '../service/lms.ts'
import type { LmsSettings } from '../settings/parts.ts'

export const correct: Command = {
  name: 'correct',
  summary: 'replace a delivery by a corrected one',
  help: `Replaces a delivery by a corrected one, which the service attempts as if the
shop had sent it. The old one becomes handled. If the LMS has no course with a
key, the command names the closest one. It needs the settings of the LMS.

Usage: lernito-openedx deliveries correct ID [OPTIONS]

  --email A      the right address
  --course K     the right course key; repeat it for several courses. It
                 replaces all course keys of the delivery
  --withdraw     also takes the buyer out of the courses of the old delivery
  --paid         with --withdraw, also takes away paid course modes
  --dry-run      only shows what would happen
  --json         a JSON object

Example:
  lernito-openedx deliveries correct 01KG9YS7G00000C80981646AF3 \\
    --email ada@example.com --withdraw
`,
  run: correctDelivery,
}

async function correctDelivery(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('deliveries correct', {
    args: [...args],
    allowPositionals: true,
    options: {
      email: { type: 'string' },
      course: { type: 'string', multiple: true },
      withdraw: { type: 'boolean', default: false },
      paid: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const [given, ...more] = positionals
  const changes: Changes = { email: values.email, courseIds: values.course }
  if (given === undefined || more.length > 0 || (changes.email === undefined && changes.courseIds === undefined)) {
    throw usageError(
      'deliveries correct takes one ID, and --email or --course. See: lernito-openedx deliveries correct --help',
    )
  }
  if (values.paid && !values.withdraw) throw usageError('--paid needs --withdraw.')
  const id = given.toUpperCase()
  const withdraw = values.withdraw ? { paid: values.paid } : null
  const settings = readLmsSettings()
  return withOperations(async ({ operations }) => {
    const planned = await operations.previewCorrection({ id, ...changes })
    if (planned.kind !== 'planned') return refuse({ result: planned, given, json: values.json })
    await warnOfMissingCourses(settings, planned.request.courseIds)
    if (values['dry-run']) return preview({ operations, id, planned, withdraw: values.withdraw, json: values.json })
    const result = await operations.correct({ id, ...changes, withdraw, by: operator() })
    if (result.kind !== 'corrected') return refuse({ result, given, json: values.json })
    if (values.json) process.stdout.write(`${plainJson(result)}\n`)
    else process.stdout.write(describe(id, result))
    return 0
  })
}

function refuse(of: { result: Exclude<Corrected, { kind: 'corrected' }>; given: string; json: boolean }): number {
  const { result, given, json } = of
  if (result.kind === 'unknown') return noDelivery(given)
  if (json) process.stdout.write(`${plainJson(result)}\n`)
  else process.stderr.write(`Nothing changed: ${reasonOf(result)}\n`)
  return 1
}

function reasonOf(result: Exclude<Corrected, { kind: 'corrected' | 'unknown' }>): string {
  if (result.kind === 'invalid') return `the webhook refuses this sale: ${plainJson(result.errors)}`
  if (result.kind === 'already') return `it was corrected before. Correct the delivery that replaces it: ${result.id}`
  return 'the correction is the same sale.'
}

/** A missing course is no error: it may be created before the attempt. */
async function warnOfMissingCourses(settings: LmsSettings, courseIds: readonly string[]): Promise<void> {
  const { lms } = openLms(settings)
  try {
    for (const course of new Set(courseIds)) {
      const found = await findCourse(lms, course)
      if (!found.ok) return void process.stderr.write(`The courses could not be looked up: ${found.failure.message}\n`)
      if (found.value.key !== null) continue
      const { closest } = found.value
      const hint = closest === null ? '' : ` The closest course is ${closest}`
      process.stderr.write(`The LMS has no course ${plain(course)}.${plain(hint)}\n`)
    }
  } finally {
    await lms.close()
  }
}

async function preview(of: {
  operations: Operations
  id: string
  planned: Extract<PlannedCorrection, { kind: 'planned' }>
  withdraw: boolean
  json: boolean
}): Promise<number> {
  const { operations, id, planned, withdraw, json } = of
  const { email, courseIds } = planned.request
  const courses = withdraw ? ((await operations.withdrawable(id))?.courses.map(({ course }) => course) ?? []) : []
  if (json) process.stdout.write(`${plainJson({ email, courseIds, withdraw: courses })}\n`)
  else {
    process.stdout.write(`a new delivery for ${plain(email)} in ${plain(courseIds.join(', '))}\n`)
    process.stdout.write(`${id} becomes handled\n`)
    for (const course of courses) process.stdout.write(`the buyer is taken out of ${plain(course)}\n`)
  }
  return 0
}

function describe(old: string, { id, withdrawal }: Extract<Corrected, { kind: 'corrected' }>): string {
  const lines = [`${id} replaces ${old}, and is due`]
  if (withdrawal?.kind === 'ordered') lines.push(`the withdrawal of ${old} is stored; the service carries it out`)
  if (withdrawal?.kind === 'pending') lines.push(`a withdrawal of ${old} is already in progress`)
  if (withdrawal?.kind === 'refused') lines.push(`there is nothing to withdraw for ${old}`)
  return lines.map((line) => `${line}\n`).join('')
}
