import { html } from 'ghtml'
import type { CourseStanding } from '../../../sale/types.ts'
import { timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.outcome

/** What the LMS has for the buyer in a course, in a sentence. */
export function standingText({ standing: found, mode }: Pick<CourseStanding, 'standing' | 'mode'>): string {
  const standing = TEXTS.standings[found]
  return mode === null ? fill(words.inLms, { standing }) : fill(words.inLmsMode, { standing, mode })
}

/** The same, with the time of the check. */
export const standingHtml = (found: CourseStanding): string =>
  html`${standingText(found)} <span class="quiet">${words.checkedAt} !${timeHtml(found.checkedAt)}.</span>`
