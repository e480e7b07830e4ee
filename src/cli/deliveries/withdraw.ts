import { type LiveCourse, whatStands } from '../../enroll/withdraw/what-stands.ts'
import type { Withdrawable, WithdrawalOrdered } from '../../queue/withdraw.ts'
import { isSameCourse } from '../../sale/course-key.ts'
import { openLms } from '../../service/lms.ts'
import type { LmsSettings } from '../../service/settings/parts.ts'
import { type Command, parseOptions, usageError } from '../command.ts'
import { noDelivery, operator, readLmsSettings, withOperations } from '../operations.ts'
import { columns, plain, plainJson, timeText } from '../plain.ts'

export const withdraw: Command = {
  name: 'withdraw',
  summary: 'take a buyer out of courses again',
  help: `Shows what the LMS has for the buyer, and takes the buyer out of courses again:
it unenrolls them, and deletes the allowance that would enroll them later. Only
what the delivery reported can be withdrawn. The service carries it out, and
retries while the LMS is unavailable. A queued delivery is stopped first.
Without --course, the command withdraws all courses. It needs the settings of
the LMS.

Usage: lernito-openedx deliveries withdraw ID [OPTIONS]

  --course K     a course; repeat it for several courses
  --paid         also takes away paid course modes, which the learner does not
                 get back for free
  --dry-run      only shows what the LMS has
  --json         a JSON object

Example:
  lernito-openedx deliveries withdraw 01KG9YS7G00000C80981646AF3 --dry-run
`,
  run: withdrawDelivery,
}

async function withdrawDelivery(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('deliveries withdraw', {
    args: [...args],
    allowPositionals: true,
    options: {
      course: { type: 'string', multiple: true },
      paid: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const [given, ...more] = positionals
  if (given === undefined || more.length > 0) {
    throw usageError('deliveries withdraw takes one ID. See: lernito-openedx deliveries withdraw --help')
  }
  const id = given.toUpperCase()
  const { course: courses = null, paid, json } = values
  const settings = readLmsSettings()
  return withOperations(async ({ operations }) => {
    const withdrawable = await operations.withdrawable(id)
    if (withdrawable === null) return noDelivery(given)
    const stands = await readStands(settings, withdrawable, courses)
    if (!json) process.stdout.write(describe(stands))
    if (values['dry-run']) {
      if (json) process.stdout.write(`${plainJson({ stands })}\n`)
      return 0
    }
    const paidCourses = paid ? [] : stands.filter((one) => one.isPaid)
    if (paidCourses.length > 0) {
      process.stderr.write(
        `Nothing changed. Paid course mode: ${paidCourses.map(describePaid).join(', ')}. Add --paid to take it away\n`,
      )
      return 1
    }
    const ordered = await operations.withdraw({ id, courses, paid, by: operator() })
    if (json) process.stdout.write(`${plainJson({ ...ordered, stands })}\n`)
    else process[ordered.kind === 'ordered' ? 'stdout' : 'stderr'].write(`${resultOf(ordered)}\n`)
    return ordered.kind === 'ordered' ? 0 : 1
  })
}

const describePaid = ({ course, mode }: LiveCourse): string => `${plain(course)} (${plain(mode ?? '')})`

/** What the LMS has in the courses of the order; empty, with a message, if it can't be read now. */
async function readStands(
  settings: LmsSettings,
  { email, courses: all }: Withdrawable,
  named: readonly string[] | null,
): Promise<readonly LiveCourse[]> {
  const courses = all
    .map(({ course }) => course)
    .filter((course) => named === null || named.some((key) => isSameCourse(key, course)))
  if (courses.length === 0) return []
  const { lms, acquire } = openLms(settings)
  try {
    const stands = await whatStands({ lms, acquire, email, courses })
    if (stands.ok) return stands.value
    process.stderr.write(`The LMS can't be read now: ${stands.failure.message}\n`)
    return []
  } finally {
    await lms.close()
  }
}

const describe = (stands: readonly LiveCourse[]): string =>
  columns(
    stands.map(({ course, standing, mode, since }) => [
      plain(course),
      standing,
      mode === null ? '' : `mode ${plain(mode)}`,
      since === null ? '' : `first enrolled ${timeText(since)}`,
    ]),
  )

function resultOf(ordered: WithdrawalOrdered): string {
  switch (ordered.kind) {
    case 'ordered':
      return 'The withdrawal is stored; the service carries it out. See: lernito-openedx deliveries show ID'
    case 'pending':
      return 'Nothing changed. A withdrawal of this delivery is already in progress.'
    case 'unknown':
      return 'Nothing changed. The delivery is gone.'
    case 'refused':
      return `Nothing changed. ${REFUSALS[ordered.why](plain(ordered.course))}`
  }
}

const REFUSALS = {
  not_reported: (course) => `The delivery did not report ${course}.`,
  nothing: () => 'There is nothing to withdraw.',
  queued: () => 'The delivery is queued, and can only be withdrawn from all of its courses.',
} as const satisfies Record<Extract<WithdrawalOrdered, { kind: 'refused' }>['why'], (course: string) => string>
