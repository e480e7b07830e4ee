import type { Standings } from '../delivery/types.ts'
import { isModePending, type ModeInCourse, modesFrom } from '../enrollment/course-mode.ts'
import { CHECK_MAX, type CheckedNow, checkNow } from '../follow-up/check-now.ts'
import { openLms } from '../service/lms.ts'
import { parseOptions, usageError } from './command.ts'
import { operator, withOperations } from './operations.ts'
import { plain, plainJson } from './plain.ts'

/** The command `deliveries check`. */
export async function checkDeliveries(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('deliveries', {
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  })
  if (positionals.length === 0) {
    throw usageError('deliveries check takes one ID or more. See: lernito-openedx deliveries --help')
  }
  const ids = [...new Set(positionals.map((id) => id.toUpperCase()))]
  return withOperations(async ({ context, settings }) => {
    const { lms, acquire } = openLms(settings)
    const modeOf = modesFrom(settings.LERNITO_COURSE_MODE)
    const how = { context, lms, acquire, isModePending: (of: ModeInCourse) => isModePending({ modeOf, ...of }) }
    const checked: CheckedNow[] = []
    try {
      for (let from = 0; from < ids.length; from += CHECK_MAX) {
        const some = ids.slice(from, from + CHECK_MAX)
        checked.push(...(await checkNow({ ...how, ids: some, by: operator() })))
      }
    } finally {
      await lms.close()
    }
    const failed = checked.flatMap((one) => ('failure' in one ? [one] : []))
    if (values.json) process.stdout.write(`${plainJson(checked, 2)}\n`)
    else for (const one of checked) if (!('failure' in one)) process.stdout.write(describe(one.id, one))
    for (const { id, failure } of failed) process.stderr.write(`${plain(id)} could not be checked: ${plain(failure)}\n`)
    return failed.length === 0 ? 0 : 1
  })
}

/** One line for each course. */
function describe(id: string, { state, standings }: { state: string; standings: Standings }): string {
  const lines = Object.entries(standings).map(
    ([course, { standing, mode }]) =>
      `${id}  ${state}  ${standing}${mode === null ? '' : ` (${mode})`}  ${plain(course)}`,
  )
  return lines.length === 0 ? `${id}  ${state}  no course of it is in the LMS\n` : `${lines.join('\n')}\n`
}
