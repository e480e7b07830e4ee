import fc from 'fast-check'

/** One change of some bytes. `at` is a place, from 0 (the beginning) to 1 (the end). */
type Mutation =
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'cut'; readonly at: number; readonly length: number }
  | { readonly kind: 'double'; readonly at: number; readonly length: number }
  | { readonly kind: 'insert'; readonly at: number; readonly text: string }
  | { readonly kind: 'end'; readonly at: number }

/** `words` are what is inserted: texts that mean something to the reader. */
export function mutationsOf(words: readonly string[]): fc.Arbitrary<Mutation[]> {
  const at = fc.double({ min: 0, max: 1, noNaN: true })
  const length = fc.integer({ min: 1, max: 40 })
  const one = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at, bit: fc.nat(7) }),
    fc.record({ kind: fc.constant('cut' as const), at, length }),
    fc.record({ kind: fc.constant('double' as const), at, length }),
    fc.record({ kind: fc.constant('insert' as const), at, text: fc.constantFrom(...words) }),
    fc.record({ kind: fc.constant('end' as const), at }),
  )
  return fc.array(one, { minLength: 1, maxLength: 5 })
}

export const mutated = (bytes: Buffer, mutations: readonly Mutation[]): Buffer => mutations.reduce(mutate, bytes)

function mutate(bytes: Buffer, mutation: Mutation): Buffer {
  const at = Math.floor(mutation.at * bytes.length)
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
  switch (mutation.kind) {
    case 'flip': {
      const flipped = Buffer.from([(after[0] ?? 0) ^ (1 << mutation.bit)])
      return Buffer.concat([before, flipped, after.subarray(1)])
    }
    case 'cut':
      return Buffer.concat([before, after.subarray(mutation.length)])
    case 'double':
      return Buffer.concat([before, after.subarray(0, mutation.length), after])
    case 'insert':
      return Buffer.concat([before, Buffer.from(mutation.text, 'latin1'), after])
    case 'end':
      return before
  }
}
