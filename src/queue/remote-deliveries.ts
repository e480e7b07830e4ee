import type { Progress } from '../sale/types.ts'

const POLL_MS = 250

/**
 * Follows deliveries that another replica attempts, for the senders that wait for them here. One query every 250 ms reads
 * them all. The owner of a row is known when it is accepted; `isMine` is asked at each poll, since this replica's name
 * may have changed.
 */
export function createRemoteDeliveries({
  read,
  isMine,
  notify,
  onError,
}: {
  read: (ids: readonly string[]) => Promise<readonly { id: string; progress: Progress }[]>
  isMine: (owner: string | null) => boolean
  notify: (id: string, progress: Progress) => void
  onError: (error: unknown) => void
}) {
  const followed = new Map<object, { readonly id: string; readonly owner: string | null }>()
  let polling = false

  const poll = async (): Promise<void> => {
    const ids = new Set([...followed.values()].filter(({ owner }) => !isMine(owner)).map(({ id }) => id))
    try {
      if (ids.size > 0) for (const { id, progress } of await read([...ids])) notify(id, progress)
    } catch (error) {
      onError(error)
    }
    polling = followed.size > 0
    if (polling) setTimeout(poll, POLL_MS).unref()
  }

  return {
    /** Starts to follow a delivery that has this owner. The returned function stops it. */
    follow: (id: string, owner: string | null): (() => void) => {
      const key = {}
      followed.set(key, { id, owner })
      if (!polling) setTimeout(poll, POLL_MS).unref()
      polling = true
      return () => followed.delete(key)
    },
  }
}
