import { BODY_LIMIT } from '../src/shop/webhook/route.ts'

/** Bodies that are expensive to read, sort or write, each of the largest allowed size, by their content. */
export const HOSTILE_BODIES: Readonly<Record<string, Buffer>> = {
  'one string': Buffer.from(`"${'x'.repeat(BODY_LIMIT - 2)}"`),
  'numbers of one digit': list(() => '1'),
  'floats that become longer when written': list(() => '9e15'),
  'small floats': list(() => '5e-324'),
  'whole numbers of 4,300 digits': list(() => '7'.repeat(4300)),
  'empty strings': list(() => '""'),
  'empty objects': list(() => '{}'),
  'lists nested 900 deep': list(() => '['.repeat(899) + ']'.repeat(899)),
  'objects nested 900 deep': list(() => '{"":'.repeat(899) + '0'.padEnd(900, '}')),
  'unsorted keys': object((i) => `"${(Math.imul(i, 0x9e3779b1) >>> 0).toString(36)}":0`),
  'keys with a common prefix': object((i) => `"${'k'.repeat(500)}${i}":0`),
  'keys beyond U+FFFF with a common prefix': object((i) => `"${'\u{1f600}'.repeat(100)}${i}":0`),
  'one key, repeated': object(() => '"a":1'),
  'a string of escapes': Buffer.from(`"${'\\n'.repeat(BODY_LIMIT / 2 - 1)}"`),
  'characters that ASCII escapes': Buffer.from(`"${'\x7f'.repeat(BODY_LIMIT - 2)}"`),
  'a string outside ASCII': Buffer.from(`"${'é'.repeat(BODY_LIMIT / 2 - 1)}"`),
  'unfinished JSON': Buffer.from('[1,'.padEnd(BODY_LIMIT, '1,')),
  'an error after many lines': Buffer.from('\n'.repeat(BODY_LIMIT)),
  'truncated UTF-8': Buffer.concat([Buffer.from('é'.repeat(BODY_LIMIT / 2 - 1)), Buffer.from([0xe2, 0x82])]),
}

function list(item: (index: number) => string): Buffer {
  return filled('[', item, ']')
}

function object(member: (index: number) => string): Buffer {
  return filled('{', member, '}')
}

function filled(open: string, part: (index: number) => string, close: string): Buffer {
  const parts: string[] = []
  let size = 2
  for (let index = 0; ; index++) {
    const next = part(index)
    size += Buffer.byteLength(next) + 1
    if (size > BODY_LIMIT) return Buffer.from(open + parts.join() + close)
    parts.push(next)
  }
}
