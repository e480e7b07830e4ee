import type { Stage } from './processes.ts'

/** A figure: how the bench measures it, and its goal. */
export interface Row {
  /** The name by which it is run alone. */
  readonly name: string
  readonly title: string
  readonly goal: { readonly at: 'least' | 'most'; readonly value: number; readonly unit: string }
  /** About how long it takes, in seconds. */
  readonly takes: number
  run(stage: Stage): Promise<Measured>
}

export interface Measured {
  /** The figure that is compared with the goal. */
  readonly value: number
  /** The values behind the figure, by a name with the unit. `notes` state the conditions and assumptions. */
  readonly parts: Readonly<Record<string, number | string>>
  readonly notes?: readonly string[]
}

export interface Result extends Measured {
  readonly name: string
  readonly title: string
  readonly goal: Row['goal']
  readonly met: boolean
  readonly tookSeconds: number
}

export const isMet = ({ at, value: goal }: Row['goal'], value: number): boolean =>
  at === 'least' ? value >= goal : value <= goal

/** Rounds to three significant digits, or to an integer from 100. */
export function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}
