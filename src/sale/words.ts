import { z } from 'zod'
import words from './forms.json' with { type: 'json' }
import type { CourseResult, Line, Standing } from './line.ts'
import standings from './standings.json' with { type: 'json' }
import { type Outcome, REASONS, type Reason, type ReasonCode, withSubject } from './types.ts'

/** An allowance is the LMS's word for it. Everywhere else, a delivery with one is called pre-enrolled. */
const RESULT_WORDS = { enrolled: 'enrolled', allowed: 'pre-enrolled' } as const satisfies Record<CourseResult, string>

/** Describes an outcome in one line, for timelines and operators. */
export function describeOutcome({ courses, reason }: Outcome): string {
  const results = Object.entries(courses).map(([course, result]) => `${RESULT_WORDS[result]} in ${course}`)
  const why = reason === null ? [] : [reasonText(reason)]
  return [...results, ...why].join('; ')
}

/** How each standing is called, and what a sentence says of a course where the buyer is in it no more. */
export const STANDING_TEXTS: Readonly<Record<Standing, { readonly name: string; readonly fact: string }>> = standings

/** Describes in one line what the last check found of these courses, for timelines and operators. */
export const describeStandings = (lines: readonly Line[]): string =>
  lines
    .flatMap(({ course, standing: found }) => {
      if (found === null) return []
      const { standing, mode, moved } = found
      return `${course}: ${STANDING_TEXTS[standing].name}${mode === null ? '' : ` (${mode})`}${moved ? `; ${MOVED}` : ''}`
    })
    .join('; ')

/** Describes what a buyer has achieved in one line, for operators. */
export const describeAchievements = (lines: readonly Line[]): string =>
  lines
    .flatMap(({ course, achievement }) => {
      if (achievement === null) return []
      const { percent, certificate } = achievement
      const passed = percent === undefined ? 'passed' : `passed with ${percent} %`
      const words = certificate === undefined ? [] : [`certificate ${certificate.status}`, certificate.url ?? '']
      return `${course}: ${[passed, ...words].filter((word) => word !== '').join(', ')}`
    })
    .join('; ')

/** What an operator has to know of a buyer whose account was found by its id. */
export const MOVED = 'the buyer’s account has another address now'

/** Returns what a signature of this form signs, in words; the form itself if an older or newer version stored it. */
export const formText = (form: string): string => Object.entries(words).find(([name]) => name === form)?.[1] ?? form

/** The detail of an event for a reader. Deliveries store the form of the signature by its name, and what wasn't counted. */
export const detailText = (detail: string): string =>
  detail
    .replace(/^signed over: (\w+)/, (_all, form: string) => `signed text: ${formText(form)}`)
    .replace(/^no attempt counted: /, '')

/** Returns what a reason is about, for people: field errors in words. */
export const subjectText = ({ code, subject }: Reason): string =>
  REASONS[code].subject === 'field_errors' ? fieldErrorsText(subject) : subject

/** Returns why a delivery did not succeed, as a part of a sentence, with what the reason is about. */
export function reasonText(reason: Reason): string {
  const { text, subject } = REASONS[reason.code]
  const about = subjectText(reason).replace(/\.$/, '')
  if (subject === 'course_key') return withSubject(text, about)
  return subject === 'nothing' || about === '' ? text : `${text}: ${about}`
}

/** The same as a sentence. */
export function reasonSentence(reason: Reason): string {
  const text = reasonText(reason)
  const isKey = REASONS[reason.code].text.startsWith('{')
  return `${isKey ? text : text.charAt(0).toUpperCase() + text.slice(1)}.`
}

/** The same without what the LMS wrote, which can be long, but with the course that it refused. */
export function reasonShort(reason: Reason): string {
  const { code, course } = reason
  if (REASONS[code].subject !== 'message') return reasonSentence(reason)
  const sentence = reasonSentence({ code, subject: '' })
  return code === 'lms.refused' && course !== undefined ? sentence.replace(/\.$/, ` in ${course}.`) : sentence
}

/**
 * The same as reasonText, of many deliveries and without personal data.
 * @param course the key of a course that exists or could exist; '' if it is not known or the deliveries have several
 */
export function reasonOfMany(code: ReasonCode, course: string): string {
  const { text, many } = REASONS[code]
  return course === '' ? (many ?? withSubject(text, 'the course')) : withSubject(text, course)
}

const messages = z.array(z.string())
const schema = z.record(z.string(), z.union([messages, z.record(z.string(), messages)]))

/**
 * Writes the subject of the reason payload.invalid in one line, such as `email: Enter a valid email address`. An entry of
 * a list gets its number, from 1. A subject that this program did not write is returned as it is.
 */
function fieldErrorsText(subject: string): string {
  const read = schema.safeParse(parsed(subject))
  if (!read.success) return subject
  const parts = Object.entries(read.data).flatMap(([field, problems]) =>
    Array.isArray(problems)
      ? [line(field, problems)]
      : Object.entries(problems).map(([index, some]) => line(`${field}, entry ${Number(index) + 1}`, some)),
  )
  return parts.join('; ')
}

const line = (field: string, problems: readonly string[]): string =>
  `${field}: ${problems.map((problem) => problem.replace(/\.$/, '')).join(', ')}`

/** The reason's subject is JSON that this service wrote. */
function parsed(subject: string): unknown {
  try {
    return JSON.parse(subject)
  } catch {
    return null
  }
}
