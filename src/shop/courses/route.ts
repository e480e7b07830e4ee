import { createHash } from 'node:crypto'
import type { AppContext } from '../../queue/open-inbox.ts'
import { type Json, JsonNumber } from '../../sale/json/json.ts'
import { type FieldErrors, readFields, tooLong } from '../../sale/payload/rules.ts'
import { type Answered, laterAnswer, type OfShop, refusal, signedRoutes } from '../signature/signed-routes.ts'
import { headerOf, type Verified } from '../webhook/receive.ts'
import type { Catalogue, Course } from './catalogue.ts'
import { modesAt, obstacleOf, reasonOf, type Selling } from './sellable.ts'
import { refusedCourses } from './sold-courses.ts'

export const COURSES_PATH = '/api/lernito/courses/'

/** After this time, the LMS has been asked after a start. */
const UNKNOWN_SECONDS = 60

interface OfCourses extends OfShop, Pick<AppContext, 'database' | 'guard'>, Pick<Selling, 'modeOf'> {
  readonly readCatalogue: () => Promise<Catalogue>
}

/**
 * Adds the route at which the shop asks which courses the LMS has and whether they can be sold. A request is signed as a
 * webhook is, and what is wrong with it is answered as for a webhook. It reads only what is stored: nobody waits for the
 * LMS. Like a GET, it changes nothing, so If-None-Match is answered as there.
 */
export function coursesRoute({ database, guard, readCatalogue, modeOf, ...parts }: OfCourses): void {
  const handle = async ({ json }: Verified, headers: Parameters<typeof headerOf>[0]) => {
    const asked = readRequest(json)
    if ('errors' in asked) return refusal({ status: 400, message: asked.errors })
    const { checkedAt, courses } = await guard(readCatalogue)
    if (checkedAt === null)
      return laterAnswer('The courses of the LMS are not known yet. Ask again later', UNKNOWN_SECONDS)
    const isRefused = await guard(() => refusedCourses(database))
    const at = parts.now()
    const page = pageOf({ courses, asked, selling: { modeOf, isRefused, at } })
    return answerOf({ checkedAt, at, page }, headerOf(headers, 'if-none-match'))
  }
  const unavailable = 'The courses cannot be read now. Ask again later'
  signedRoutes({ ...parts, urls: [COURSES_PATH], unavailable, handle })
}

type Page = ReturnType<typeof pageOf>

function pageOf({ courses, asked, selling }: { courses: readonly Course[]; asked: Asked; selling: Selling }) {
  const { after, size } = asked
  const rest = after === null ? courses : courses.filter(({ key }) => key > after)
  const page = rest.slice(0, size)
  return {
    courses: page.map((course) => courseView(course, selling)),
    next: rest.length > size ? (page.at(-1)?.key ?? null) : null,
  }
}

const iso = (ms: number | null): string | null => (ms === null ? null : `${new Date(ms).toISOString().slice(0, 19)}Z`)

/**
 * A course as the shop sees it: see docs/reference/courses.md. Times are ISO 8601 in UTC, to the second. `modes`: those that
 * are on sale; null if they aren't known, because the course was not sold here.
 */
function courseView(course: Course, selling: Selling) {
  const obstacle = obstacleOf(course, selling)
  const { key, name, organization, modes } = course
  return {
    id: key,
    name,
    organization,
    start: iso(course.start),
    end: iso(course.end),
    enrollmentStart: iso(course.enrollmentStart),
    enrollmentEnd: iso(course.enrollmentEnd),
    sellable: obstacle === null,
    reason: obstacle === null ? null : reasonOf(obstacle),
    modes: modes === null ? null : modesAt(modes, selling.at).map((mode) => ({ ...mode, until: iso(mode.until) })),
  }
}

/**
 * The page, or that the shop has it already. The ETag is weak: it leaves out when the LMS was asked, which `Age` and
 * `checkedAt` say.
 */
function answerOf({ checkedAt, at, page }: { checkedAt: number; at: number; page: Page }, known?: string): Answered {
  const digest = createHash('sha256').update(JSON.stringify(page)).digest('base64url').slice(0, 22)
  const etag = `"${digest}"`
  const age = Math.max(0, Math.floor((at - checkedAt) / 1000))
  const headers = { etag: `W/${etag}`, age, 'cache-control': 'private, no-cache' }
  const tags = known?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? []
  if (tags.includes(etag) || tags.includes('*')) return { status: 304, body: null, headers }
  return { status: 200, body: { success: true, checkedAt: new Date(checkedAt).toISOString(), ...page }, headers }
}

/** How many courses an answer has at most, and without `size`. */
const SIZE_MAX = 100
const KEY_MAX = 255

interface Asked {
  /** The `next` of the page before; null: the first page. */
  readonly after: string | null
  readonly size: number
}

/** What is asked for, or what is wrong with it, by field as for the webhook. Both fields can be left out or null. */
function readRequest(json: Json): Asked | { readonly errors: FieldErrors } {
  const read = readFields(json)
  if ('errors' in read) return read
  const after = read.fields.get('after') ?? null
  const size = read.fields.get('size') ?? null
  const errors = { ...wrongAfter(after), ...wrongSize(size) }
  if (Object.keys(errors).length > 0) return { errors }
  return {
    after: typeof after === 'string' ? after : null,
    size: size instanceof JsonNumber ? Number(size.digits) : SIZE_MAX,
  }
}

function wrongAfter(after: Json): FieldErrors {
  if (after === null) return {}
  const errors = typeof after === 'string' ? tooLong(after, KEY_MAX) : ['Not a valid string.']
  return errors.length === 0 ? {} : { after: errors }
}

function wrongSize(size: Json): FieldErrors {
  if (size === null) return {}
  const asked = size instanceof JsonNumber ? Number(size.digits) : Number.NaN // in JSON Schema, 1.0 is an integer
  if (!Number.isInteger(asked)) return { size: ['A valid integer is required.'] }
  if (asked < 1) return { size: ['Ensure this value is greater than or equal to 1.'] }
  return asked > SIZE_MAX ? { size: [`Ensure this value is less than or equal to ${SIZE_MAX}.`] } : {}
}
