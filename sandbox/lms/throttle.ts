/** Calls a minute for staff; other users have a third of it (recorded: throttle.json, 120 and 40). */
export type ThrottleRate = number | 'off'
export type Throttle = ReturnType<typeof createThrottle>
export type AddressLimit = ReturnType<typeof createAddressLimit>

/** The kinds of views that are throttled by user. */
export type ThrottledAs = 'enrolling' | 'course_list'

const windowMs = 60_000

/**
 * Shares of the rate. The course list allows 40 for staff and 20 for others (Open edX, course_api/views.py,
 * `CourseListUserThrottle`).
 */
const shares = { enrolling: { staff: 1, others: 1 / 3 }, course_list: { staff: 1 / 3, others: 1 / 6 } } as const

/**
 * Django REST framework's throttle: a sliding minute for each user. All views share one history, and each compares it
 * with its own limit, so that enrolling calls also use up the limit of the course list. openedx/edx-platform#38850
 * separates them; releases up to Verawood don't have it.
 * `admit` counts the call, or returns how many whole seconds to wait. The wait is null if the history has more calls than
 * this view allows, because Django REST framework names no time then.
 */
export function createThrottle({ rate, now }: { rate: ThrottleRate; now: () => number }) {
  const calls = new Map<string, number[]>()

  function admit(of: {
    view: ThrottledAs
    user: string
    staff: boolean
  }): { readonly admitted: true } | { readonly admitted: false; readonly wait: number | null } {
    if (rate === 'off') return { admitted: true }
    const share = shares[of.view][of.staff ? 'staff' : 'others']
    const limit = Math.max(1, Math.floor(rate * share))
    const recent = (calls.get(of.user) ?? []).filter((time) => time > now() - windowMs)
    calls.set(of.user, recent)
    const [oldest] = recent
    // A refused call isn't counted.
    if (oldest !== undefined && recent.length >= limit) {
      const wait = Math.max(1, Math.ceil((oldest + windowMs - now()) / 1000))
      return { admitted: false, wait: recent.length > limit ? null : wait }
    }
    recent.push(now())
    return { admitted: true }
  }

  return { admit, reset: () => calls.clear() }
}

/** Open edX, `RATELIMIT_RATE`. */
const callsByAddress = 120

/**
 * The limit of the token endpoint: calls from one address in each minute of the clock, including refused ones.
 * `admit` counts the call and returns whether it may pass.
 */
export function createAddressLimit({ off, now }: { off: boolean; now: () => number }) {
  const calls = new Map<string, { minute: number; count: number }>()

  function admit(address: string): boolean {
    const minute = Math.floor(now() / windowMs)
    const before = calls.get(address)
    const count = before?.minute === minute ? before.count + 1 : 1
    calls.set(address, { minute, count })
    return off || count <= callsByAddress
  }

  return { admit, reset: () => calls.clear() }
}
