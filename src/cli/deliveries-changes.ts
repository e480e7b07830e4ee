import { TEXTS } from '../console/layout/texts.ts'
import { type LiveCourse, whatStands } from '../enroll/withdraw/what-stands.ts'
import type { BulkReplay, Preview } from '../operators/changes/bulk-replay.ts'
import { stepReplay } from '../operators/changes/bulk-steps.ts'
import type { DeliveryFilter } from '../operators/find/filter.ts'
import type { Outdated } from '../queue/change-deliveries.ts'
import type { Replayed } from '../queue/replay.ts'
import type { WithdrawalOrdered } from '../queue/withdraw.ts'
import { type Withdrawable, wasThere } from '../queue/withdrawals/withdrawable.ts'
import { hasCourse } from '../sale/course-key.ts'
import { isDone } from '../sale/types.ts'
import { MOVED, STANDING_TEXTS } from '../sale/words.ts'
import { pause } from '../service/lib/loop.ts'
import { command, interruption, misused, onlyArgument, usageError } from './command.ts'
import { FILTER_OPTIONS, readFilter } from './delivery-options.ts'
import { openLms, readLmsSettings } from './lms.ts'
import { idsOf, itemOf, needDelivery, noDelivery, type Opened, operator, withOperations } from './operations.ts'
import { columns, plain, printJson, timeText } from './plain.ts'

const IDS_AT_ONCE = 500
const PAUSE_MS = 100

export const replay = command({
  name: 'deliveries replay',
  positionals: true,
  options: {
    ...FILTER_OPTIONS,
    all: { type: 'boolean', default: false },
    enrolled: { type: 'boolean', default: false },
    reopen: { type: 'boolean', default: false },
    'dry-run': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
  run: async ({ values, positionals }) => {
    const filter = readFilter({ values, now: Date.now() })
    const filtered = values.all || Object.keys(filter).length > 0
    if (filtered === positionals.length > 0) {
      throw misused('deliveries replay', 'takes IDs, or a filter, or --all')
    }
    if (!filtered && (values.enrolled || values['dry-run'])) {
      throw usageError('--enrolled and --dry-run need a filter, not IDs. See: lernito-openedx deliveries replay --help')
    }
    if (filtered && values.reopen) {
      throw usageError('--reopen needs IDs; a filter names the states. See: lernito-openedx deliveries replay --help')
    }
    if ((filter.ended || filter.states?.some(isDone)) && !values.enrolled) {
      throw misused(
        'deliveries replay',
        'starts enrolled and pre-enrolled deliveries only with --enrolled, because that enrolls again whoever was unenrolled since',
      )
    }
    const order = { filter, enrolled: values.enrolled, json: values.json }
    return withOperations(async (opened) => {
      if (!filtered) return replayIds(opened, positionals, values)
      return values['dry-run'] ? preview(opened, order) : replayAll(opened, order)
    })
  },
})

/** @param given ids, or beginnings of ids: if one of them is ambiguous, nothing is replayed. */
async function replayIds(
  opened: Opened,
  given: readonly string[],
  { json, reopen }: { json: boolean; reopen: boolean },
): Promise<number> {
  const { operations } = opened
  const ids = await idsOf(opened, given)
  const due: string[] = []
  const left: Replayed['left'][number][] = []
  for (let from = 0; from < ids.length; from += IDS_AT_ONCE) {
    const some = ids.slice(from, from + IDS_AT_ONCE)
    const replayed = await operations.replay({ ids: some, leavesEnded: !reopen, by: operator() })
    due.push(...replayed.due)
    left.push(...replayed.left)
  }
  if (json) printJson({ due, left })
  else for (const id of due) process.stdout.write(`${id} is due\n`)
  for (const { id, why } of left) process.stderr.write(`${why === 'unknown' ? noDelivery(id) : `${id} ${WHY[why]}`}\n`)
  return left.length === 0 ? 0 : 1
}

const WHY = {
  'payload.invalid':
    'was rejected for its payload and stays rejected. Correct it in the console, or have the shop send a corrected sale',
  ended:
    'was handled, withdrawn or refunded, so a replay may enroll a buyer who was refunded. To replay it, add --reopen',
} as const satisfies Record<Exclude<Replayed['left'][number]['why'], 'unknown'>, string>

interface Order {
  readonly filter: DeliveryFilter
  readonly enrolled: boolean
  readonly json: boolean
}

async function preview({ operations }: Opened, { json, ...order }: Order): Promise<number> {
  const { count, left, sample } = await operations.previewReplay(order)
  if (json) printJson({ count, left, sample: sample.map(itemOf) })
  else {
    const listed = sample.length === 0 ? '' : sample.length < count ? ', for example:' : ':'
    process.stdout.write(`${previewText({ count, left })}${listed}\n`)
    process.stdout.write(columns(sample.map(({ id, state, email }) => [id, TEXTS.states[state], plain(email ?? '-')])))
  }
  return 0
}

function previewText({ count, left }: Pick<Preview, 'count' | 'left'>): string {
  if (left === 0) return `${count} can be replayed`
  return `${count + left} selected: ${leftText(left)}, ${count} can be replayed`
}

const leftText = (left: number): string =>
  left === 1 ? '1 was rejected for its payload' : `${left} were rejected for their payload`

/** Takes the steps of the bulk replay itself, so that no service has to run. A running service takes part. */
async function replayAll({ operations, context }: Opened, { json, ...order }: Order): Promise<number> {
  const stop = interruption()
  let replay: BulkReplay | null = await operations.startReplay({ ...order, by: operator() })
  const { id, total } = replay
  while (replay?.state === 'running') {
    if (stop.aborted) replay = await operations.stopReplay({ id, by: operator() })
    else {
      await stepReplay(context, id)
      replay = await operations.bulkReplay(id)
      process.stderr.write(`${replay?.replayed ?? 0} of ${total ?? 'many'}\n`)
      if (replay?.state === 'running') await pause(PAUSE_MS, stop)
    }
  }
  const replayed = replay?.replayed ?? 0
  if (json) printJson(replay)
  else if (replay?.state === 'stopped') process.stdout.write(`${replayed} due; stopped\n`)
  else {
    const left = replayed > 0 ? 0 : (await operations.previewReplay({ ...order, limit: 0 })).left
    process.stdout.write(`${replayed} due${left === 0 ? '' : `: ${leftText(left)}`}\n`)
  }
  return replay?.state === 'done' ? 0 : 1
}

export const withdraw = command({
  name: 'deliveries withdraw',
  positionals: true,
  options: {
    course: { type: 'string', multiple: true },
    paid: { type: 'boolean', default: false },
    'had-before': { type: 'boolean', default: false },
    'dry-run': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
  run: async ({ values, positionals }) => {
    const given = onlyArgument('deliveries withdraw', 'one ID', positionals)
    const { course: courses = null, paid, 'had-before': hadBefore, json } = values
    const settings = readLmsSettings()
    return withOperations(async (opened) => {
      const { operations } = opened
      const { id, withdrawable: found } = await needDelivery(opened, given)
      const withdrawable = found ?? { email: '', courses: [] }
      const isChosen = (course: string): boolean => courses === null || hasCourse(courses, course)
      const chosen = withdrawable.courses.filter(({ course }) => isChosen(course))
      const { stands, ...failed } = await readStands(settings, { ...withdrawable, courses: chosen })
      const others = await operations.otherSales(
        id,
        chosen.map(({ course }) => course),
      )
      if (!json) {
        process.stdout.write(describe(stands))
        if (others.length > 0)
          process.stdout.write(`A withdrawal takes these other sales along: ${others.join(', ')}\n`)
        const before = hadBefore ? [] : chosen.filter(wasThere).map(({ course }) => plain(course))
        if (before.length > 0) process.stdout.write(`${wasThereText(before)}\n`)
      }
      if (values['dry-run']) {
        if (json) printJson({ stands, others, ...failed })
        else if (withdrawable.courses.length === 0) process.stdout.write(`${NOTHING}\n`)
        const reported = withdrawable.courses.map(({ course }) => course)
        const unreported = courses?.filter((course) => !hasCourse(reported, course)) ?? []
        for (const course of unreported) process.stderr.write(`${REFUSALS.not_reported(plain(course))}\n`)
        return unreported.length > 0 || 'failure' in failed ? 1 : 0
      }
      const paidCourses = paid ? [] : stands.filter((one) => one.isPaid)
      if (paidCourses.length > 0) {
        if (json) printJson({ kind: 'refused', why: 'paid', course: paidCourses[0]?.course, stands, others })
        process.stderr.write(
          `Nothing changed. Paid course mode: ${paidCourses.map(describePaid).join(', ')}. Add --paid to take it away\n`,
        )
        return 1
      }
      const ordered = await operations.withdraw({ id, courses, paid, hadBefore, by: operator() })
      if (json) printJson({ ...ordered, stands, others, ...failed })
      else process[ordered.kind === 'ordered' ? 'stdout' : 'stderr'].write(`${resultOf(id, ordered)}\n`)
      return ordered.kind === 'ordered' ? 0 : 1
    })
  },
})

const wasThereText = (courses: readonly string[]): string =>
  `The buyer had this before the sale, and keeps it unless another sale gave it: ${courses.join(', ')}. Add --had-before to take it away, too.`

const NOTHING =
  'There is nothing to withdraw: the delivery reported no course, or the buyer was taken out of all of them.'

const describePaid = ({ course, mode }: LiveCourse): string => `${plain(course)} (${plain(mode ?? '')})`

/** What the LMS has in the courses of the order. Empty, with a message and its `failure`, if it can't be read now. */
async function readStands(
  settings: ReturnType<typeof readLmsSettings>,
  { email, courses }: Pick<Withdrawable, 'email' | 'courses'>,
): Promise<{ stands: readonly LiveCourse[]; failure?: string }> {
  if (courses.length === 0) return { stands: [] }
  const { lms, acquire } = openLms(settings)
  try {
    const stands = await whatStands({ lms, acquire, email, courses })
    if (stands.ok) return { stands: stands.value }
    const { message } = stands.failure
    process.stderr.write(`The LMS can't be read now: ${message}\n`)
    return { stands: [], failure: message }
  } finally {
    await lms.close()
  }
}

const describe = (stands: readonly LiveCourse[]): string =>
  columns(
    stands.map(({ course, standing, mode, since, moved }) => [
      plain(course),
      STANDING_TEXTS[standing].name,
      mode === null ? '' : `mode ${plain(mode)}`,
      since === null ? '' : `first enrolled ${timeText(since)}`,
      moved ? MOVED : '',
    ]),
  )

function resultOf(id: string, ordered: WithdrawalOrdered | Outdated): string {
  switch (ordered.kind) {
    case 'ordered':
      return `The withdrawal is stored; the service carries it out. See: lernito-openedx deliveries show ${id}`
    case 'pending':
      return 'Nothing changed. A withdrawal of this delivery is already in progress.'
    case 'unknown':
      return 'Nothing changed. The delivery is gone.'
    case 'outdated':
      return `Nothing changed. ${plain(ordered.change.by)} has changed the delivery in the meantime.`
    case 'refused':
      return `Nothing changed. ${REFUSALS[ordered.why](plain(ordered.course))}`
  }
}

const REFUSALS = {
  not_reported: (course) => `The delivery did not report ${course}, or the buyer was taken out of it.`,
  nothing: () => NOTHING,
} as const satisfies Record<Extract<WithdrawalOrdered, { kind: 'refused' }>['why'], (course: string) => string>
