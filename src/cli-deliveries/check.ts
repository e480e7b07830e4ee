import { type Command, parseOptions, usageError } from '../cli/command.ts'
import { operator, readLmsSettings, withOperations } from '../cli/operations.ts'
import { plain, plainJson } from '../cli/plain.ts'
import type { Standings } from '../delivery/types.ts'
import { isModePending, type ModeInCourse, modesFrom } from '../enrollment/course-mode.ts'
import { CHECK_MAX, type CheckedNow, checkNow } from '../follow-up/check-now.ts'
import { openLms } from '../service/lms.ts'

export const check: Command = {
  name: 'check',
  summary: 'look up what the LMS has for the buyers now',
  help: `Looks up what the LMS has for the buyers now, in each course, and stores it with
the delivery. It enrolls nobody. A delivery that is pre-enrolled becomes
enrolled if the buyer is. It needs the settings of the LMS.

Usage: lernito-openedx deliveries check ID... [--json]

  --json         a JSON array

Example:
  lernito-openedx deliveries check 01KG9YS7G00000C80981646AF3
`,
  run: checkDeliveries,
}

async function checkDeliveries(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('deliveries check', {
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  })
  if (positionals.length === 0) {
    throw usageError('deliveries check takes one ID or more. See: lernito-openedx deliveries check --help')
  }
  const ids = [...new Set(positionals.map((id) => id.toUpperCase()))]
  const settings = readLmsSettings()
  return withOperations(async ({ context }) => {
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
