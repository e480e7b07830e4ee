const SPREAD = 0.1

/** The longest that a wait (ms) can become when it is spread. */
export const longestSpread = (ms: number): number => ms * (1 + SPREAD)

/**
 * Changes a wait (ms) by up to ±10 %, so that what failed together doesn't come back together.
 * @param random 0 to 1
 */
export const spread = (ms: number, random: () => number): number => ms * (1 - SPREAD + 2 * SPREAD * random())
