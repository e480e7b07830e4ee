/** How long to wait for a sleep to begin before it counts as missing, real ms. */
const patience = 30_000

/** A clock that a test moves. `slept` resolves once this many sleeps have begun, however late. */
export function createClock(start = Date.UTC(2026, 10, 24)) {
  let time = start
  let begun = 0
  let sleepers: { until: number; wake: () => void }[] = []
  let watchers: { count: number; tell: () => void }[] = []
  const durations: number[] = []

  function sleep(milliseconds: number): Promise<void> {
    begun += 1
    durations.push(milliseconds)
    const ready = watchers.filter(({ count }) => count <= begun)
    watchers = watchers.filter((watcher) => !ready.includes(watcher))
    const done = new Promise<void>((wake) => sleepers.push({ until: time + milliseconds, wake }))
    for (const { tell } of ready) tell()
    return done
  }

  function advance(milliseconds: number): void {
    time += milliseconds
    const due = sleepers.filter(({ until }) => until <= time)
    sleepers = sleepers.filter((sleeper) => !due.includes(sleeper))
    for (const { wake } of due) wake()
  }

  function slept(count: number): Promise<void> {
    if (begun >= count) return Promise.resolve()
    return new Promise((tell, reject) => {
      const late = setTimeout(reject, patience, new Error(`Only ${begun} sleeps began, not ${count}`))
      watchers.push({
        count,
        tell: () => {
          clearTimeout(late)
          tell()
        },
      })
    })
  }

  return { now: () => time, sleep, advance, slept, durations }
}
