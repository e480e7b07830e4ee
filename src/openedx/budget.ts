/**
 * The right to one call of what the LMS throttles: bulk_enroll, enrollment and enrollment_allowed, which share one
 * count for each user (recorded: throttle.json). The LMS client spends it when it makes the call.
 */
export interface Permit {
  /** Called once, by the LMS client. @throws Error if the permit was spent or given back before. */
  spend(): void
  /** Gives an unspent permit back, so that somebody else can call; does nothing to a spent one. */
  giveBack(): void
}

/** Hands out permits at the pace that the LMS allows. */
export interface Budget {
  /** Waits for a permit. Rejects with the signal's reason once that is aborted. */
  acquire(signal: AbortSignal): Promise<Permit>
}

/** The budget of an LMS that does not throttle: a permit for everybody at once. */
export function unlimitedBudget(): Budget {
  return {
    async acquire(signal) {
      signal.throwIfAborted()
      return singleUsePermit()
    },
  }
}

function singleUsePermit(): Permit {
  let state: 'open' | 'spent' | 'given back' = 'open'
  return {
    spend() {
      if (state !== 'open') throw new Error(`A permit is for one call, and this one is ${state}`)
      state = 'spent'
    },
    giveBack() {
      if (state === 'open') state = 'given back'
    },
  }
}
