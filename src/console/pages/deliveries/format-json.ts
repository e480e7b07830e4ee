/**
 * Indents JSON for reading. Numbers and texts stay as the sender wrote them, so it doesn't parse them. A text that is
 * no JSON is only broken into lines.
 */
export function formatJson(text: string): string {
  let depth = 0
  const line = (): string => `\n${'  '.repeat(Math.min(Math.max(depth, 0), DEEPEST))}`
  const tokens = text.match(TOKEN) ?? []
  return tokens
    .map((token, index) => {
      const isEmpty = CLOSING.test(tokens[index + 1] ?? '')
      if (OPENING.test(token)) {
        depth++
        return isEmpty ? token : token + line()
      }
      if (CLOSING.test(token)) {
        depth--
        return OPENING.test(tokens[index - 1] ?? '') ? token : line() + token
      }
      if (token === ',') return token + line()
      return token === ':' ? ': ' : token
    })
    .join('')
}

/** Deeper levels are not indented further, so that a hostile payload stays readable. */
const DEEPEST = 20
const TOKEN = /"(?:[^"\\]|\\.)*"?|[{}[\]:,]|[^\s{}[\]:,"]+/gs
const OPENING = /^[{[]$/
const CLOSING = /^[}\]]$/
