import { html } from 'ghtml'
import { durationText } from '../console-layout/format.ts'
import { fill, TEXTS } from '../console-layout/texts.ts'
import { formText } from '../delivery/form-words.ts'
import { jsonProblem } from '../signature/examine.ts'
import { examineStandard } from '../signature/examine-standard.ts'

const words = TEXTS.signature
const adjustmentTexts = { ...words.adjustments, ...words.standard.adjustments }

/** Returns the result for a webhook that is signed by Standard Webhooks: which part of it the service refuses, and why. */
export function standardHtml(given: Parameters<typeof examineStandard>[0]): string {
  const { faults, match, adjustments, age, inTime } = examineStandard(given)
  const notJson = jsonProblem(given.body)
  const problems = [
    ...faults.map((fault) => words.standard.faults[fault]),
    ...adjustments.map((one) => adjustmentTexts[one].text),
    ...(match === null && faults.length === 0 ? [words.standard.mismatch] : []),
    ...(notJson === null ? [] : [fill(words.notJson, { problem: notJson })]),
  ]
  const refused = faults.length > 0 || notJson !== null || adjustments.some((one) => adjustmentTexts[one].refused)
  const title = match === null ? words.noMatch : refused ? words.nearly : words.matches
  const notes = [
    ...(match?.previousSecret ? [words.previousSecret] : []),
    ...(age === null || inTime ? [] : [timeText(age)]),
  ]
  return html`<h2>${title}</h2>
!${match === null ? '' : html`<p>${fill(words.over, { form: formText('standard') })}</p>`}
!${[...problems, ...notes].map((text) => html`<p>${text}</p>`).join('')}`
}

/** `age` is in seconds, negative in the future. */
function timeText(age: number): string {
  const time = durationText(Math.abs(age) * 1000)
  return age > 0 ? fill(words.standard.old, { time }) : fill(words.standard.future, { time })
}
