/** Python's `\w`, which edx-opaque-keys uses on text: letters and numbers of every script, and the underscore. */
const WORD = String.raw`\p{L}\p{N}_`
const ID = String.raw`[${WORD}\-~.:]+`

const OLD_STYLE = new RegExp(String.raw`^[${WORD}.%\-]+/[${WORD}.%\-]+/[${WORD}.%\-]*$`, 'u')

/**
 * The parts of a key, each after a plus: none, two or three plain ones, and those that may follow them, in this order and
 * each at most once. A part never has a plus, so the time is proportional to the length.
 */
function partsOf(flags: string, tails: Readonly<Record<string, string>>): RegExp {
  const following = Object.entries(tails).map(([name, form]) => String.raw`(?<${name}>\+${name}@${form})?`)
  return new RegExp(String.raw`^(?<two>(?:\+${ID}){2}(?<three>\+${ID})?)?${following.join('')}$`, flags)
}

const VERSION = '[a-f0-9]{24}'
const COURSE = partsOf('u', { branch: ID, version: VERSION, type: ID, block: String.raw`[${WORD}\-~.:%]+` })
/** edx-ccx-keys has its own list, which ignores letter case. */
const CCX = partsOf('iu', { branch: ID, version: VERSION, ccx: String.raw`\p{Nd}+`, type: ID, block: ID })

/**
 * Whether a text is a course key for edx-opaque-keys' `CourseKey.from_string`, which the original uses. Says nothing
 * about whether the course exists. Accepts `course-v1:org+course+run`, with or without `+branch@…` and `+version@…`;
 * `library-v1:…` and `ccx-v1:…`, which are course keys too; and the old `org/course/run`, whose run may be empty
 * (recorded: lernito-webhook-random.json). Doesn't trim the text: the payload rules do that.
 */
export function isCourseKey(text: string): boolean {
  return isNamespacedKey(text) || OLD_STYLE.test(text)
}

/** The LMS stores a key in a column of this many characters, so no course has a longer one. */
const MAX_KEY = 255

/** The three parts that the LMS's route for a course needs. Other keys get its page for unknown addresses. */
const ROUTE = /^[^/+]+[/+][^/+]+[/+][^/?]+$/

/**
 * Whether a course of the LMS can have this key. A part `.` or `..` would lead to another path, and edx-opaque-keys
 * accepts both.
 */
export function canBeCourse(key: string): boolean {
  if (key.length > MAX_KEY || !isCourseKey(key) || !ROUTE.test(key)) return false
  return !key.split('/').some((part) => part === '.' || part === '..')
}

/**
 * The course that a CCX (a coach's copy) was made from: `course-v1:…`. null if the key isn't a CCX's or doesn't say.
 */
export function parentOfCcx(key: string): string | null {
  const plain = /^ccx-v1:([^+@]+\+[^+@]+\+[^+@]+)\+/.exec(key)?.[1]
  return plain === undefined ? null : `course-v1:${plain}`
}

/** A key without what may follow its plain parts, such as a branch or a version: the LMS finds the same course by both. */
export function plainKey(key: string): string {
  const oldStyle = key.startsWith('slashes:') ? key.slice('slashes:'.length).replaceAll('+', '/') : key
  return oldStyle.replace(/\+(branch|version|type|block)@[^+]*/gi, '')
}

/**
 * A text that two texts share if they differ at most in their letter case. JavaScript takes the Kelvin sign for k, so an
 * ASCII text never equals one that isn't ASCII.
 */
export function caseless(text: string): string {
  const isAscii = /^[\0-\x7f]*$/.test(text)
  return `${isAscii ? 'ascii' : 'other'} ${text.normalize('NFC').toLowerCase()}`
}

/**
 * A text that two keys share if they mean the same course: without what may follow the plain parts, letter case aside. The
 * LMS's database also takes Ä for A and full-width digits for digits, but a key is never read that generously.
 */
export const courseIdentity = (key: string): string => caseless(plainKey(key))

/**
 * Whether a course key as it was sent means this true key. The LMS finds a course by a key in another letter case, or
 * with a branch or a version, and answers with the true key.
 */
export const isSameCourse = (sent: string, found: string): boolean => courseIdentity(sent) === courseIdentity(found)

/** Whether one of these keys means the same course: see isSameCourse. */
export const hasCourse = (keys: readonly string[], key: string): boolean => keys.some((one) => isSameCourse(one, key))

function isNamespacedKey(text: string): boolean {
  const colon = text.indexOf(':')
  if (colon === -1) return false
  const namespace = text.slice(0, colon)
  const parts = (namespace === 'ccx-v1' ? CCX : COURSE).exec(`+${text.slice(colon + 1)}`)?.groups
  if (parts === undefined) return false
  const { two, three, version, ccx } = parts
  switch (namespace) {
    case 'course-v1':
    case 'slashes':
      return three !== undefined || version !== undefined
    case 'library-v1':
      return two !== undefined || version !== undefined
    case 'ccx-v1':
      return ccx !== undefined && (three !== undefined || version !== undefined)
    default:
      return false
  }
}
