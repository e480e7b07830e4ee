import { html } from 'ghtml'
import type { DeliverySentence } from '../../sale/delivery-sentence.ts'
import type { Catalogue } from '../../shop/courses/catalogue.ts'
import type { PageParts } from '../parts.ts'
import { courseUrl, saidHtml } from './format.ts'

/** The name of the course that a key means; null if the catalogue has none. */
export type CourseName = (key: string) => string | null

declare module 'fastify' {
  interface FastifyRequest {
    courseName: CourseName
    /** The key of the course that a missing one looks like; see Catalogue. */
    closestCourse: Catalogue['closest']
  }
}

/** Gives each page of a signed-in operator what the catalogue knows of keys. While the database is away, that is nothing. */
export function addCourseNames({ scope, readCatalogue }: PageParts): void {
  scope.decorateRequest('courseName', () => null)
  scope.decorateRequest('closestCourse', () => null)
  scope.addHook('preHandler', async (request) => {
    const catalogue = request.session === null ? null : await readCatalogue().catch(() => null)
    if (catalogue === null) return
    request.courseName = (key) => catalogue.known(key)?.name ?? null
    request.closestCourse = catalogue.closest
  })
}

/** A course as every page shows it: its name, then its key; the key alone if it has no name. Escaped. */
export function courseNameHtml(key: string, courseName: CourseName): string {
  const name = courseName(key)
  const code = html`<code>${key}</code>`
  return name === null ? code : html`<span class="course"><bdi>${name}</bdi></span> !${code}`
}

/** A course in one line: its name, or its key if it has none. Escaped; the key shows on hover. */
export function courseInLineHtml(key: string, courseName: CourseName): string {
  const name = courseName(key)
  return name === null ? html`<code>${key}</code>` : html`<bdi title="${key}">${name}</bdi>`
}

/** A key in a text. One between quotation marks stays, because it is what somebody else wrote. */
const KEY = /(?<![\w'"“])[a-z]+-v1:[^\s,;:'"”()]+/g

/** Returns a text with the names of courses where it has their keys. Escaped; the key shows on hover. */
export function namedHtml(text: string, courseName: CourseName): string {
  let end = 0
  const parts = [...text.matchAll(KEY)].flatMap(({ 0: found, index }) => {
    const key = courseName(found) === null ? found.replace(/\.+$/, '') : found
    if (courseName(key) === null) return []
    const before = text.slice(end, index)
    end = index + key.length
    return [html`${before}!${courseInLineHtml(key, courseName)}`]
  })
  return parts.join('') + html`${text.slice(end)}`
}

/** Returns what is the case with a delivery, with its times, its quotations and the names of its courses. */
export const factHtml = ({ fact }: Pick<DeliverySentence, 'fact'>, courseName: CourseName): string =>
  fact.map((piece) => (typeof piece === 'string' ? quotedHtml(piece, courseName) : saidHtml(piece.at))).join('')

/** A note may be written from right to left. */
const quotedHtml = (piece: string, courseName: CourseName): string =>
  namedHtml(piece, courseName).replace(/“(.*)”/su, '“<bdi>$1</bdi>”')

/** What links to courses in the LMS need. */
export interface CourseLinks {
  readonly lmsUrl: string
  readonly courseName: CourseName
}

/** The same as a link to the course in the LMS, if the catalogue has it: the LMS has no page of another one. */
export function courseLinkHtml(key: string, { lmsUrl, courseName }: CourseLinks): string {
  const [name, url] = [courseName(key), courseUrl(key, lmsUrl)]
  if (url === null || name === null) return courseNameHtml(key, courseName)
  return html`<a class="course" href="${url}"><bdi>${name}</bdi></a> <code>${key}</code>`
}
