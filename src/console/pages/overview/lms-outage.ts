import { html } from 'ghtml'
import type { SignIn } from '../../../lms/sign-in.ts'
import type { BacklogCounts } from '../../../operators/reports/counts.ts'
import { numberText, timeHtml } from '../../layout/format.ts'
import { type BreakerView, isOpen } from '../../layout/live-state.ts'
import { shareReads } from '../../layout/share-reads.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.lmsOutage
/** Anyone can ask for the sign-in, so all who do within this time share one heartbeat: ms. */
const SHARED_MS = 1000

/** The LMS does not answer. `since`: ms since 1970, null if unknown. `queued`: null if the database can't be read. */
export interface LmsOutage {
  readonly since: number | null
  readonly queued: number | null
}

/** Returns a function that finds out whether people can sign in now: null if the LMS answers. It waits 2 s at most. */
export function createOutageCheck({
  isLmsUp,
  breaker,
  readCounts,
  now,
}: {
  isLmsUp: SignIn['isLmsUp']
  breaker: () => BreakerView | null
  readCounts: () => Promise<BacklogCounts>
  /** In ms since 1970. */
  now: () => number
}): () => Promise<LmsOutage | null> {
  const check = async (): Promise<LmsOutage | null> => {
    if (await isLmsUp()) return null
    const view = breaker()
    const counts = await readCounts().catch(() => null)
    return { since: view !== null && isOpen(view) ? view.since : null, queued: counts?.queued ?? null }
  }
  return shareReads({ read: check, forMs: SHARED_MS, now })
}

/** Returns the page instead of the sign-in of an LMS that is down. `again`: the address of the sign-in. */
export function outageHtml({ since, queued }: LmsOutage, again: string): string {
  const began = since === null ? '' : html`<p>${words.since} !${timeHtml(since)}.</p>`
  const waiting = queued === null ? '' : html`<p>${fill(words.queued, { count: numberText(queued) })}</p>`
  return html`<div class="note bad"><p>${words.text}</p>!${began}!${waiting}</div>
<p>${words.reads}</p>
<p class="actions"><a class="button" href="${again}">${words.again}</a> <a class="button second" href="${again}&anyway=yes">${words.anyway}</a></p>`
}
