/** Python's `\w`, which edx-opaque-keys uses on text: letters and numbers of every script, and the underscore. */
const WORD = String.raw`\p{L}\p{N}_`
const ID = String.raw`[${WORD}\-~.:]+`

const PLAIN = new RegExp(`^${ID}$`, 'u')
const OLD_STYLE = new RegExp(String.raw`^[${WORD}.%\-]+/[${WORD}.%\-]+/[${WORD}.%\-]*$`, 'u')

type TailName = 'branch' | 'version' | 'ccx' | 'type' | 'block'
interface Tail {
  readonly name: TailName
  readonly form: RegExp
}

/** The parts that may follow the plain parts of a key, in this order, each at most once. */
const COURSE_TAILS: readonly Tail[] = tails('u', [
  ['branch', ID],
  ['version', '[a-f0-9]{24}'],
  ['type', ID],
  ['block', String.raw`[${WORD}\-~.:%]+`],
])

/** edx-ccx-keys has its own list, which ignores letter case. */
const CCX_TAILS: readonly Tail[] = tails('iu', [
  ['branch', ID],
  ['version', '[a-f0-9]{24}'],
  ['ccx', String.raw`\p{Nd}+`],
  ['type', ID],
  ['block', ID],
])

function tails(flags: string, list: [TailName, string][]): Tail[] {
  return list.map(([name, form]) => ({ name, form: new RegExp(`^${name}@${form}$`, flags) }))
}

/**
 * Whether a text is a course key for edx-opaque-keys' `CourseKey.from_string`, which the original uses. Says nothing
 * about whether the course exists. Accepts `course-v1:org+course+run`, with or without `+branch@…` and `+version@…`;
 * `library-v1:…` and `ccx-v1:…`, which are course keys too; and the old `org/course/run`, whose run may be empty
 * (recorded: lernito-webhook-random.json). Doesn't trim the text: the payload rules do that.
 */
export function isCourseKey(text: string): boolean {
  return isNamespacedKey(text) || OLD_STYLE.test(text)
}

/**
 * The course that a CCX (a coach's copy) was made from: `course-v1:…`. null if the key isn't a CCX's or doesn't say.
 */
export function parentOfCcx(key: string): string | null {
  const plain = /^ccx-v1:([^+@]+\+[^+@]+\+[^+@]+)\+/.exec(key)?.[1]
  return plain === undefined ? null : `course-v1:${plain}`
}

/**
 * A text that two keys share if they mean the same course: without what may follow the plain parts, and in lowercase. The
 * LMS's database also takes Ä for A and full-width digits for digits, but a key is never read that generously.
 * JavaScript takes the Kelvin sign for k, so an ASCII key never equals one that isn't ASCII.
 */
export function courseIdentity(key: string): string {
  const oldStyle = key.startsWith('slashes:') ? key.slice('slashes:'.length).replaceAll('+', '/') : key
  const plain = oldStyle.replace(/\+(branch|version|type|block)@[^+]*/gi, '')
  const isAscii = /^[\0-\x7f]*$/.test(plain)
  return `${isAscii ? 'ascii' : 'other'} ${plain.normalize('NFC').toLowerCase()}`
}

/**
 * Whether a course key as it was sent means this true key. The LMS finds a course by a key in another letter case, or
 * with a branch or a version, and answers with the true key.
 */
export const isSameCourse = (sent: string, found: string): boolean => courseIdentity(sent) === courseIdentity(found)

function isNamespacedKey(text: string): boolean {
  const colon = text.indexOf(':')
  if (colon === -1) return false
  const rest = text.slice(colon + 1)
  switch (text.slice(0, colon)) {
    case 'course-v1':
    case 'slashes': {
      const found = partsOf(rest, COURSE_TAILS)
      return found !== null && (found.plain === 3 || found.tails.has('version'))
    }
    case 'library-v1': {
      const found = partsOf(rest, COURSE_TAILS)
      return found !== null && (found.plain >= 2 || found.tails.has('version'))
    }
    case 'ccx-v1': {
      const found = partsOf(rest, CCX_TAILS)
      return found?.tails.has('ccx') === true && (found.plain === 3 || found.tails.has('version'))
    }
    default:
      return false
  }
}

/** How many plain parts (0, 2 or 3) a key has and which tails follow; null if it doesn't have this form. */
function partsOf(rest: string, allowed: readonly Tail[]): { plain: number; tails: ReadonlySet<TailName> } | null {
  const parts = rest.split('+')
  const firstTail = parts.findIndex((part) => part.includes('@'))
  const plain = firstTail === -1 ? parts.length : firstTail
  if (plain === 1 || plain > 3 || !parts.slice(0, plain).every((part) => PLAIN.test(part))) return null

  const found = new Set<TailName>()
  let open = allowed
  for (const part of parts.slice(plain)) {
    const at = open.findIndex((tail) => tail.form.test(part))
    const tail = open[at]
    if (tail === undefined) return null
    found.add(tail.name)
    open = open.slice(at + 1)
  }
  return { plain, tails: found }
}
