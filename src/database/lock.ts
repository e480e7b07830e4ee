/** Waits for the lock, and resolves to what releases it, to be called once. `isUrgent`: it comes before all that isn't. */
export type Lock = (isUrgent?: boolean) => Promise<() => void>

/** Creates a lock for one holder at a time, in the order in which they ask. */
export function createLock(): Lock {
  const urgent: (() => void)[] = []
  const others: (() => void)[] = []
  let isHeld = false

  const release = (): void => {
    const next = urgent.shift() ?? others.shift()
    if (next === undefined) isHeld = false
    else next()
  }

  return (isUrgent = false) =>
    new Promise((resolve) => {
      const hold = (): void => resolve(release)
      if (isHeld) return void (isUrgent ? urgent : others).push(hold)
      isHeld = true
      hold()
    })
}
