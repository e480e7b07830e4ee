import type { Log } from './log.ts'

const EVERY_MS = 60_000

/**
 * Gives what to call for each webhook that was signed with LERNITO_WEBHOOK_SECRET_PREVIOUS: it warns at most once a
 * minute, so that the operator sees when the shop has changed over.
 */
export function warnOfPreviousSecret({ log, now }: { log: Log; now: () => number }): () => void {
  let webhooks = 0
  let warnedAt = Number.NEGATIVE_INFINITY
  return () => {
    webhooks++
    if (now() - warnedAt < EVERY_MS) return
    warnedAt = now()
    log.warn(
      { webhooks },
      'the shop still signs with LERNITO_WEBHOOK_SECRET_PREVIOUS. Remove that setting when this line has stopped coming',
    )
    webhooks = 0
  }
}
