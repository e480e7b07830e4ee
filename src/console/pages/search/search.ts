import type { FastifyRequest } from 'fastify'
import { isTypedAddress, wordsOf } from '../../../operators/find/filter.ts'
import type { Summary } from '../../../operators/find/listing.ts'
import { type StateCounts, totalOf } from '../../../operators/reports/counts.ts'
import { emailTerm, fold, foldKey } from '../../../queue/search-terms.ts'
import { boundsOf } from '../../layout/period.ts'
import { formOf } from '../../layout/request.ts'
import { sendHtml } from '../../layout/send-html.ts'
import type { PageParts } from '../../parts.ts'
import { addressWith } from '../../session/sent-form.ts'
import { type Hits, hitsHtml } from './hits.ts'

const TEXT_MAX = 300
/** How many deliveries a search reads: enough for the people and the courses in them. */
const READ = 30
const SHOWN = 4
/** What is stored is shown without the LMS's answer if that takes longer, ms. */
const ACCOUNT_WITHIN_MS = 2_000

/**
 * Adds what the search field of every page shows while an operator types: people, deliveries and courses. It is asked for
 * with a form, so that no address of a person gets into the access log of a proxy, and it changes nothing.
 */
export function addSearch(parts: PageParts): void {
  parts.scope.post('/search', { config: { unconfirmed: true } }, async (request, reply) => {
    const text = (formOf(request).get('q') ?? '').trim().slice(0, TEXT_MAX)
    const hits = await findHits(parts, { request, text })
    return sendHtml(reply, hitsHtml(hits))
  })
}

async function findHits(parts: PageParts, of: { request: FastifyRequest; text: string }): Promise<Hits> {
  const { operations, readCatalogue, now } = parts
  const { request, text } = of
  const words = wordsOf(text)
  const month = boundsOf({ from: '', to: '' }, { now: now(), zone: request.zone })
  const [{ items }, sold, catalogue] = await Promise.all([
    operations.list({ filter: { find: text }, limit: READ }),
    operations.salesByCourse({ from: month.from, to: null }),
    readCatalogue(),
  ])
  const { courseName } = request
  const isNamed = (one: string): boolean => words.length > 0 && words.every((word) => fold(one).includes(word))
  const byAddress = new Map<string, Summary>()
  for (const item of items) {
    const { email, name, username } = item
    if (email === null || !isNamed(`${email} ${name ?? ''} ${username ?? ''}`)) continue
    if (!byAddress.has(emailTerm(email))) byAddress.set(emailTerm(email), item)
  }
  const isUnsold = isTypedAddress(text) && !byAddress.has(emailTerm(text))
  return {
    text,
    words,
    people: [...byAddress.values()].slice(0, SHOWN),
    deliveries: items.slice(0, SHOWN),
    courses: coursesOf(sold.value.courses, catalogue.courses)
      .filter(({ key }) => isNamed(`${courseName(key) ?? ''} ${key}`))
      .slice(0, SHOWN),
    since: month.period.from,
    courseName,
    noSale: isUnsold ? await findNoSale(parts, of) : null,
  }
}

/** Those that were sold, most often first, and then the others of the LMS. */
function coursesOf(
  sold: readonly { readonly course: string; readonly counts: StateCounts }[],
  listed: readonly { readonly key: string }[],
): Hits['courses'] {
  const known = new Set(sold.map(({ course }) => foldKey(course)))
  return [
    ...sold.map(({ course, counts }) => ({ key: course, sales: totalOf(counts) })),
    ...listed.filter(({ key }) => !known.has(foldKey(key))).map(({ key }) => ({ key, sales: 0 })),
  ]
}

async function findNoSale(
  { operations, lms }: PageParts,
  { request, text }: { request: FastifyRequest; text: string },
): Promise<Hits['noSale']> {
  const [account, similar] = await Promise.all([lms.account(text, ACCOUNT_WITHIN_MS), operations.similarBuyers(text)])
  const person = addressWith({ request, path: '/people', values: new URLSearchParams({ email: text }) })
  return { account, similar, person }
}
