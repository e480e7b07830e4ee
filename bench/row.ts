import type { Stage } from './processes.ts'

/** One of the design's figures: how it is measured, and its goal. */
export interface Row {
  /** For `--only`. */
  readonly name: string
  readonly title: string
  readonly goal: { readonly at: 'least' | 'most'; readonly value: number; readonly unit: string }
  /** Roughly how long it takes, in seconds. */
  readonly takes: number
  run(stage: Stage): Promise<Measured>
}

export interface Measured {
  /** The figure that the goal is about. */
  readonly value: number
  /** What it is made of, by name with the unit in it; and sentences on what was assumed. */
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

/** Cuts the digits that mean nothing: three that count. */
export function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}
