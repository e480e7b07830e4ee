import { setTimeout as wait } from 'node:timers/promises'
import { type Achievements, createAchievements } from './achievements.ts'
import { type CallLog, createCallLog } from './call-log.ts'
import { type Cost, createWorkers, type Workers } from './cost.ts'
import { createRowLocks, type RowLocks } from './deadlock.ts'
import type { EnrollmentContext } from './enrollment-rules.ts'
import { createFaults, type Faults } from './faults.ts'
import { createMails, type Mails } from './mails.ts'
import { populate } from './populate.ts'
import { createSessions, type Sessions } from './sessions.ts'
import { createState, type State } from './state.ts'
import { type AddressLimit, createAddressLimit, createThrottle, type Throttle, type ThrottleRate } from './throttle.ts'
import { createTokens, type Random, type Tokens } from './tokens.ts'
import type { Effect } from './transactions.ts'
import type { World } from './world.ts'

/** The changes of one call. `beganAt` is when the call came in, `at` when its changes were kept: ms since 1970. */
export type Changes = { user: string; beganAt: number; at: number; effects: readonly Effect[] }

/** How the stand-in behaves. `now` gives ms since 1970, `sleep` waits for a number of ms. */
export type LmsOptions = {
  world: World
  throttle: ThrottleRate
  bulk: boolean
  /** Whether it has the view `enrollments/modify`. */
  modify: boolean
  /** Which versions of the enrollment API it has. */
  enrollment: 'v1' | 'v1 and v2' | 'v2'
  cost: Cost
  now: () => number
  sleep: (milliseconds: number) => Promise<void>
  random: Random
  /** Additional redirect URIs of authorization-code applications, by client id. */
  redirectUris: Record<string, string[]>
  /** Called with the changes of each call, in the order in which they were kept. */
  onChanges: (changes: Changes) => void
}

/** All parts of one stand-in. */
export type Lms = Omit<LmsOptions, 'throttle' | 'cost' | 'world'> & {
  state: State
  tokens: Tokens
  throttle: Throttle
  addressLimit: AddressLimit
  workers: Workers
  locks: RowLocks
  faults: Faults
  calls: CallLog
  mails: Mails
  achievements: Achievements
  sessions: Sessions
  world: () => World
  /** What the enrollment rules need, at this time. */
  context: () => EnrollmentContext
  /** Deletes all data and loads this world, or the one that the stand-in started with. Tokens stay valid. */
  reset: (world?: World) => void
}

export function createLms(options: LmsOptions): Lms {
  const { now, random } = options
  const tokens = createTokens({ now, random })
  const state = createState({ now, newKey: () => tokens.randomText(16) })
  const throttle = createThrottle({ rate: options.throttle, now })
  const addressLimit = createAddressLimit({ off: options.throttle === 'off', now })
  const faults = createFaults()
  const calls = createCallLog()
  const mails = createMails({ now })
  const achievements = createAchievements({ now, newUuid: () => tokens.randomText(16) })
  const sessions = createSessions({ tokens })
  let world = options.world

  function reset(next: World = options.world): void {
    world = next
    populate({ state, world })
    for (const part of [throttle, addressLimit, calls, mails, achievements, sessions]) part.reset()
    faults.clear()
  }
  reset()

  return {
    ...options,
    state,
    tokens,
    throttle,
    addressLimit,
    workers: createWorkers({ cost: options.cost }),
    locks: createRowLocks(),
    faults,
    calls,
    mails,
    achievements,
    sessions,
    world: () => world,
    context: () => ({ state, world, now: now() }),
    reset,
  }
}

/** The default `sleep`: a real timer. */
export async function sleep(milliseconds: number): Promise<void> {
  if (milliseconds > 0) await wait(milliseconds)
}
