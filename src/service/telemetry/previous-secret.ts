import type { Log } from './log.ts'

const EVERY_MS = 60_000

/**
 * Returns the function to call for each webhook that was signed with LERNITO_WEBHOOK_SECRET_PREVIOUS. It warns at most
 * once a minute, so that the operator can see when the shop has switched to the current secret.
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
      'the shop still signs with LERNITO_WEBHOOK_SECRET_PREVIOUS; remove that setting when this warning stops',
    )
    webhooks = 0
  }
}
