import type { Progress } from '../delivery/types.ts'

const LOOK_MS = 250

/**
 * Follows deliveries that another replica works on, for those who wait for them here: all are looked at with one query
 * every 250 ms. Whoever owns the row when it is accepted, `isMine` decides at each look.
 */
export function createRemoteDeliveries({
  read,
  isMine,
  tell,
  onError,
}: {
  read: (ids: readonly string[]) => Promise<readonly { id: string; progress: Progress }[]>
  isMine: (owner: string | null) => boolean
  tell: (id: string, progress: Progress) => void
  onError: (error: unknown) => void
}) {
  const followed = new Map<object, { readonly id: string; readonly owner: string | null }>()
  let looking = false

  const look = async (): Promise<void> => {
    const ids = new Set([...followed.values()].filter(({ owner }) => !isMine(owner)).map(({ id }) => id))
    try {
      if (ids.size > 0) for (const { id, progress } of await read([...ids])) tell(id, progress)
    } catch (error) {
      onError(error)
    }
    looking = followed.size > 0
    if (looking) setTimeout(look, LOOK_MS).unref()
  }

  return {
    /** Begins to follow a delivery, which had this owner; the returned function ends it. */
    follow: (id: string, owner: string | null): (() => void) => {
      const key = {}
      followed.set(key, { id, owner })
      if (!looking) setTimeout(look, LOOK_MS).unref()
      looking = true
      return () => followed.delete(key)
    },
  }
}
