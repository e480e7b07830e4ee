import words from './texts.json' with { type: 'json' }

/**
 * All texts of the console are in texts.json, except those about reasons and events: src/sale/reasons.json and
 * events.json. `fill` fills the placeholders in braces.
 */
export const TEXTS = words

/** The one of these texts with a name that comes from elsewhere, such as an address; undefined if there is none. */
export const textNamed = <Text>(
  texts: Readonly<Record<string, Text>>,
  name: string | null | undefined,
): Text | undefined => (Object.hasOwn(texts, name ?? '') ? texts[name ?? ''] : undefined)

type Values = Readonly<Record<string, string>>

/** Fills the placeholders of a text. Throws Error if one has no value; a test checks all uses. */
export function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (_placeholder, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`the text "${text}" needs ${name}`)
    return value
  })
}

/** Fills a title and a text with the same values. */
export const fillBoth = <Message extends { title: string; text: string }>(
  message: Message,
  values: Values,
): Message => ({
  ...message,
  title: fill(message.title, values),
  text: fill(message.text, values),
})
