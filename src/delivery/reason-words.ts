import { fieldErrorsText } from './field-errors.ts'
import words from './reasons.json' with { type: 'json' }
import type { Reason, ReasonCode } from './types.ts'

/** Returns why a delivery did not succeed in a few words, for lists. */
export const reasonName = (code: ReasonCode): string => words[code].name

/** Returns why a delivery did not succeed, as a part of a sentence, with what the reason is about. */
export function reasonText({ code, subject }: Reason): string {
  const about = code === 'payload.invalid' ? fieldErrorsText(subject) : subject
  return filled(code, about.replace(/\.$/, ''))
}

/** The same as a sentence. */
export function reasonSentence(reason: Reason): string {
  const text = reasonText(reason)
  const isKey = words[reason.code].what.startsWith('{')
  return `${isKey ? text : text.charAt(0).toUpperCase() + text.slice(1)}.`
}

/**
 * The same as reasonText, of many deliveries and without personal data.
 * @param course the key of a course that exists or could exist; '' if it is not known or the deliveries have several
 */
export const reasonOfMany = (code: ReasonCode, course: string): string =>
  course === '' || !words[code].what.includes('{course}') ? words[code].general : filled(code, course)

const filled = (code: ReasonCode, about: string): string =>
  words[code].what.replace(/\{subject\}|\{course\}/, () => about)
