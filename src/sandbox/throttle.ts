/** Calls a minute for staff; others have a third of it (recorded: throttle.json, 120 and 40). */
export type ThrottleRate = number | 'off'
export type Throttle = ReturnType<typeof createThrottle>

const windowMs = 60_000

/**
 * Django REST framework's throttle: a sliding minute for each user over all throttled views together.
 * `admit` counts the call and returns null, or, when there were too many, the whole seconds to wait.
 */
export function createThrottle({ rate, now }: { rate: ThrottleRate; now: () => number }) {
  const calls = new Map<string, number[]>()

  function admit({ user, staff }: { user: string; staff: boolean }): number | null {
    if (rate === 'off') return null
    const limit = staff ? rate : Math.max(1, Math.floor(rate / 3))
    const recent = (calls.get(user) ?? []).filter((time) => time > now() - windowMs)
    calls.set(user, recent)
    const [oldest] = recent
    // A refused call isn't counted.
    if (oldest !== undefined && recent.length >= limit)
      return Math.max(1, Math.ceil((oldest + windowMs - now()) / 1000))
    recent.push(now())
    return null
  }

  return { admit, reset: () => calls.clear() }
}
