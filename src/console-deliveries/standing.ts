import { html } from 'ghtml'
import { timeHtml } from '../console-layout/format.ts'
import { fill, TEXTS } from '../console-layout/texts.ts'
import type { CourseStanding } from '../delivery/types.ts'

const words = TEXTS.outcome

/** What the LMS has for the buyer in a course, in a sentence. */
export function standingText({ standing: found, mode }: Pick<CourseStanding, 'standing' | 'mode'>): string {
  const standing = TEXTS.standings[found]
  return mode === null ? fill(words.inLms, { standing }) : fill(words.inLmsMode, { standing, mode })
}

/** The same, with the time of the check. */
export const standingHtml = (found: CourseStanding): string =>
  html`${standingText(found)} <span class="quiet">${words.checkedAt} !${timeHtml(found.checkedAt)}.</span>`
