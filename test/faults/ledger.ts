import assert from 'node:assert/strict'
import { type Answered, type Buyer, DEMO, type State } from '../harness.ts'
import { sell } from '../service/serving.ts'

export interface Sale {
  readonly email: string
  readonly courseIds: readonly string[]
}

/** 200, 202, or 500, which means that the sale is stored and the service continues. */
const isAccepted = (status: number): boolean => status === 200 || status === 202 || status === 500

const pairsOf = ({ email, courseIds }: Sale): string[] =>
  courseIds.map((course) => `${email.toLowerCase()} in ${course}`)

/** Returns who is enrolled in which course, or will be on activation. */
const pairsIn = ({ enrollments, allowances }: State): Set<string> =>
  new Set(
    [...enrollments.filter(({ active }) => active), ...allowances.filter((one) => one.auto_enroll)].map(
      ({ email, course }) => `${email.toLowerCase()} in ${course}`,
    ),
  )

/** Records the sales that were sent and their answers, and compares them with the LMS at the end. */
export function createLedger({ before }: { before: State }) {
  const had = pairsIn(before)
  const sold: { sale: Sale; answered: Answered | null }[] = []
  const accepted = () => sold.filter(({ answered }) => answered !== null && isAccepted(answered.status))

  const counts = (state: State) => {
    const has = pairsIn(state)
    const isServed = ({ sale }: { sale: Sale }): boolean => pairsOf(sale).every((pair) => has.has(pair))
    const bought = new Set(sold.flatMap(({ sale }) => pairsOf(sale)))
    return {
      accepted: accepted().length,
      lost: accepted()
        .filter((one) => !isServed(one))
        .map(({ sale }) => `${sale.email} (${sale.courseIds.join(', ')})`),
      wrong: [...has].filter((pair) => !had.has(pair) && !bought.has(pair)),
      refused: sold.filter(({ answered }) => answered !== null && !isAccepted(answered.status)).length,
      unanswered: sold.filter(({ answered }) => answered === null).length,
      answered: (status: number): number => sold.filter(({ answered }) => answered?.status === status).length,
    }
  }

  return {
    counts,
    sold,

    /** Posts a sale to the service at `url` as the shop does, and records its answer. */
    sell: async (url: string, { email, courseIds = [DEMO] }: Buyer): Promise<Answered | null> => {
      const sale = { email, courseIds }
      const answered = await sell({ url, ...sale })
      sold.push({ sale, answered })
      return answered
    },

    /**
     * Call it when all work is done. Prints one line of counts. Fails if an accepted sale is lost, or if a person is in a
     * course that they did not buy.
     */
    close: (title: string, state: State, more = ''): ReturnType<typeof counts> => {
      const result = counts(state)
      const { accepted, lost, wrong, refused, unanswered } = result
      const enrolled = accepted - lost.length
      process.stdout.write(
        `# ${title}: accepted ${accepted} = enrolled ${enrolled}, lost ${lost.length}, wrong ${wrong.length}, refused ${refused}, unanswered ${unanswered}${more}\n`,
      )
      assert.ok(accepted > 0, 'nothing was accepted')
      assert.deepEqual({ lost, wrong }, { lost: [], wrong: [] })
      return result
    },
  }
}
export type Ledger = ReturnType<typeof createLedger>
