import { describeOutcome, describeStandings } from '../delivery/describe.ts'
import type { Person, Sale } from '../operations/operations.ts'
import { isWholeAddress } from '../operations/people.ts'
import { openLms } from '../service/lms.ts'
import type { LmsSettings } from '../settings/parts.ts'
import { type Command, parseOptions, usageError } from './command.ts'
import { readLmsSettings, withOperations } from './operations.ts'
import { columns, eventText, plain, plainJson, timeText } from './plain.ts'

const USAGE = 'people takes show and one e-mail address. See: lernito-openedx people --help'

export const people: Command = {
  name: 'people',
  summary: 'show a person: the account in the LMS, all sales and what happened',
  help: `Shows everything about the owner of an e-mail address: the account that the LMS
has now, all sales with the result of each course and what the last check found
in the LMS, and one timeline. It changes nothing.

Usage: lernito-openedx people show EMAIL [--json]

  --json   a JSON object

The account is one of
  none            nobody has registered with this address
  not activated   registered, but the activation link was not opened
  active          the buyer can sign in
  retired         the account was deleted at its owner's request
  other address   the LMS matches the address to an account with another one

The exit code is 0, or 1 if the LMS could not be asked. The sales are shown in
both cases. To check the courses in the LMS now, use deliveries check. To erase
the person, use forget.

Example:
  lernito-openedx people show ada@example.com
`,
  run: async ([subcommand, ...args]) => {
    if (subcommand !== 'show') throw usageError(USAGE)
    const { values, positionals } = parseOptions('people', {
      args,
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false } },
    })
    const [given = '', ...more] = positionals
    const email = given.trim()
    if (more.length > 0 || !isWholeAddress(email)) throw usageError(USAGE)
    const settings = readLmsSettings()
    return withOperations(async ({ operations }) => {
      const person = await operations.person(email)
      const account = await accountOf(settings, person.email)
      const failure = account.ok ? null : account.failure.message
      process.stdout.write(
        values.json
          ? `${plainJson({ ...person, account: account.ok ? account.value : null, failure }, 2)}\n`
          : describe(person, account.ok ? describeAccount(account.value) : null),
      )
      if (failure === null) return 0
      process.stderr.write(`The account could not be looked up in the LMS: ${plain(failure)}\n`)
      return 1
    })
  },
}

type Looked = Awaited<ReturnType<ReturnType<typeof openLms>['lms']['account']>>

async function accountOf(settings: LmsSettings, email: string): Promise<Looked> {
  const { lms } = openLms(settings)
  try {
    return await lms.account(email)
  } finally {
    await lms.close()
  }
}

function describeAccount(account: Extract<Looked, { ok: true }>['value']): string {
  switch (account.status) {
    case 'unknown':
      return 'none'
    case 'inactive':
      return `not activated, username ${account.username}`
    case 'active':
      return `active, username ${account.username}`
    case 'retired':
      return 'retired'
    case 'other_account':
      return `other address: ${account.address}`
  }
}

function describe({ email, sales, hasMoreSales, timeline, hasMoreEvents }: Person, account: string | null): string {
  const more = hasMoreSales ? ' or more, the newest of them below' : ''
  const facts = [
    ['e-mail', email],
    ['account', account ?? 'not known now'],
    ['sales', `${sales.length}${more}`],
  ]
  const events = timeline.map((event) => [timeText(event.at), event.deliveryId, event.kind, eventText(event)])
  const cut = hasMoreEvents ? 'Earlier events are left out.\n' : ''
  const parts = [columns(facts.map((row) => row.map(plain))), ...sales.map(describeSale), cut + columns(events)]
  return parts.filter((part) => part !== '').join('\n')
}

function describeSale({ id, state, source, receivedAt, request, outcome, standings, unreadable }: Sale): string {
  const facts: [string, string | null][] = [
    ['delivery', id],
    ['state', source === 'test' ? `${state} (test)` : state],
    ['received', timeText(receivedAt)],
    ['courses', request === null ? null : request.courseIds.join(', ')],
    ['outcome', outcome === null ? null : describeOutcome(outcome) || 'none yet'],
    ['in the LMS', describeStandings(standings) || null],
    ['checked', checkedAt(standings)],
    ['unreadable', unreadable],
  ]
  return columns(facts.flatMap(([name, text]) => (text === null ? [] : [[name, plain(text)]])))
}

/** The time of the oldest check; null without one. */
function checkedAt(standings: Sale['standings']): string | null {
  const times = Object.values(standings).map((one) => one.checkedAt)
  return times.length === 0 ? null : timeText(Math.min(...times))
}
