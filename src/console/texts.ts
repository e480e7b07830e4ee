import words from './texts.json' with { type: 'json' }

/** Every word that the console shows is in texts.json and nowhere else. `fill` fills the places in braces. */
export const TEXTS = words

type Values = Readonly<Record<string, string>>

/** Throws Error if a place has no value: a test looks through all uses. */
export function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (_place, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`the text "${text}" needs ${name}`)
    return value
  })
}

/** A title and a text, both filled with the same values. */
export const fillBoth = <Said extends { title: string; text: string }>(said: Said, values: Values): Said => ({
  ...said,
  title: fill(said.title, values),
  text: fill(said.text, values),
})
