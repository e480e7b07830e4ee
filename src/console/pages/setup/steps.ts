import { html } from 'ghtml'
import { numberText } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.setup

/** A step of the first day, as escaped HTML. */
export interface Step {
  readonly id: string
  readonly title: string
  readonly done: boolean
  /** Its state in a few words, not escaped. */
  readonly aside: string
  readonly body: string
}

/** How many steps are done, in a paragraph that an update of a step brings along. */
export function progressHtml(steps: readonly Step[], checked: string): string {
  const done = numberText(steps.filter((step) => step.done).length)
  const all = numberText(steps.length)
  return html`<p class="intro" id="setup-progress">${fill(words.progress, { done, all })} !${checked}</p>`
}

/** Returns the steps as a list. The first one that is not done is marked as the next. */
export function stepsHtml(steps: readonly Step[]): string {
  const next = steps.find(({ done }) => !done)
  const items = steps.map((step, index) => {
    const { id, title, done, aside, body } = step
    const kind = done ? 'done' : step === next ? 'now' : ''
    const tick = done ? html`<span class="unseen">${words.done}</span>` : html`${index + 1}`
    return html`<li id="${id}" class="step ${kind}"><span class="tick">!${tick}</span><div class="step-text"><h2>${title} <span class="aside">${aside}</span></h2>
!${body}</div></li>`
  })
  return html`<ol class="checklist">!${items.join('\n')}</ol>`
}
