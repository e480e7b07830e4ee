import words from './forms.json' with { type: 'json' }

/** Returns what a signature of this form signs, in words; the form itself if an older or newer version stored it. */
export const formText = (form: string): string => Object.entries(words).find(([name]) => name === form)?.[1] ?? form

/** The detail of an event for a reader. Deliveries store the form of the signature by its name. */
export const detailText = (detail: string): string =>
  detail.replace(/^signed over: (\w+)/, (_all, form: string) => `signed text: ${formText(form)}`)
