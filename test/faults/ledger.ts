import assert from 'node:assert/strict'
import { type Answered, type Buyer, DEMO, type State } from '../harness.ts'
import { sell } from '../service/serving.ts'

export interface Sale {
  readonly email: string
  readonly courseIds: readonly string[]
}

/** 200 and 202, and 500 too, which says that the sale is stored and goes on. */
const isAccepted = (status: number): boolean => status === 200 || status === 202 || status === 500

const pairsOf = ({ email, courseIds }: Sale): string[] =>
  courseIds.map((course) => `${email.toLowerCase()} in ${course}`)

/** Who has which course, or will have it on activation. */
const pairsIn = ({ enrollments, allowances }: State): Set<string> =>
  new Set(
    [...enrollments.filter(({ active }) => active), ...allowances.filter((one) => one.auto_enroll)].map(
      ({ email, course }) => `${email.toLowerCase()} in ${course}`,
    ),
  )

/** Keeps account of sales: what was sent, how each was answered, and what the LMS has of it at the end. */
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

    /** Posts a sale to the service at `url` as the shop does, and writes down how it was answered. */
    sell: async (url: string, { email, courseIds = [DEMO] }: Buyer): Promise<Answered | null> => {
      const sale = { email, courseIds }
      const answered = await sell({ url, ...sale })
      sold.push({ sale, answered })
      return answered
    },

    /**
     * At the end of the work: prints one line of counts, and fails if a sale is lost that was accepted, or somebody is
     * in a course that was not bought.
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
