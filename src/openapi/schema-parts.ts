/** The characters that Python's `str.strip` removes. What `\s` matches differs from this, and between engines. */
const SPACE = '\\t-\\r\\u001c- \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
/** Not empty after trimming, and without NUL. */
const PATTERN = `^[^\\u0000]*[^${SPACE}\\u0000][^\\u0000]*$`

/** A text by the rules for a text in a webhook, or a number that counts as one. */
export const text = (description: string, more: object = {}) => ({
  description,
  type: ['string', 'number'],
  minLength: 1,
  maxLength: 255,
  pattern: PATTERN,
  ...more,
})

/** The schema of an object with exactly these properties; those in `optional` may be absent. */
export const closed = (properties: Readonly<Record<string, unknown>>, optional: readonly string[] = []) => ({
  type: 'object',
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  properties,
  additionalProperties: false,
})
