import type { MariaDb } from '../../mariadb.ts'

/** What reads the clock in the service's statements: `clock` in src/database/mysql/mysql.ts. */
const CLOCK = 'unix_timestamp(now(3))'
/** As long, because the length of a packet comes before its statement. */
const OURS = 'lernito_clock.f()'.padEnd(CLOCK.length)

/** By how much the clock steps. */
export const STEP_MS = 30_000

/** A database server's clock that can step. */
export interface DatabaseClock {
  /** Rewrites the statements in a packet, so that they read this clock. */
  readonly rewrite: (packet: Buffer) => Buffer
  /** How many statements read it until now. */
  readonly reads: () => number
  /** Whether it has stepped forward, and not yet back. */
  readonly isAhead: () => boolean
  /** Moves it forward, or back if `ms` is negative. */
  readonly step: (ms: number) => Promise<void>
}

/** The server has no setting for its clock, so a function of the same length takes its place in every statement. */
export async function createDatabaseClock({ administer }: Pick<MariaDb, 'administer'>): Promise<DatabaseClock> {
  await administer(`
    create database lernito_clock;
    create table lernito_clock.steps (ms bigint not null) engine = InnoDB;
    insert into lernito_clock.steps values (0);
    create function lernito_clock.f() returns decimal(20, 3) not deterministic reads sql data
      return (select unix_timestamp(now(3)) + ms / 1000 from lernito_clock.steps limit 1)`)
  let count = 0
  let aheadMs = 0
  return {
    rewrite: (packet) => {
      if (!packet.includes(CLOCK)) return packet
      count++
      return Buffer.from(packet.toString('latin1').replaceAll(CLOCK, OURS), 'latin1')
    },
    reads: () => count,
    isAhead: () => aheadMs > 0,
    step: async (ms) => {
      aheadMs += ms
      await administer(`update lernito_clock.steps set ms = ms + ${ms}`)
    },
  }
}
