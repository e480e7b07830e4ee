import { randomFrom } from '../load.ts'

/** Random choices from a seed. */
export interface Chance {
  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number
  happens(probability: number): boolean
  /** @throws Error for an empty list */
  pick<One>(from: readonly One[]): One
  /** Returns one of the names, by their weights. */
  weighted<Name extends string>(weights: readonly (readonly [Name, number])[]): Name
  /** Returns independent choices: their number doesn't change the choices here. */
  branch(): Chance
}

export function createChance(seed: number): Chance {
  const random = randomFrom(seed)
  const between = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1))
  return {
    between,
    happens: (probability) => random() < probability,
    pick: (from) => {
      const one = from[between(0, from.length - 1)]
      if (one === undefined) throw new Error('there is nothing to pick from')
      return one
    },
    weighted: (weights) => {
      let left = random() * weights.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [name, weight] of weights) {
        left -= weight
        if (left < 0) return name
      }
      throw new Error('no name has a weight')
    },
    branch: () => createChance(between(0, 2 ** 31 - 1)),
  }
}
