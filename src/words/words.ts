/** The version of this file's rules. A delivery whose words were made by an older one gets them anew; see backfill.ts. */
export const WORDS_VERSION = 1

/** Longer fields are cut before they are split: nobody searches for the rest. */
const MAX_FIELD = 300
/** Characters of all words of a delivery together. */
const MAX_TEXT = 1000
/** The index holds at most this many words of a delivery, each cut to TOKEN_LENGTH characters. */
const MAX_TOKENS = 16
const TOKEN_LENGTH = 32
/** Words that most deliveries have are not in the index. A search for them looks at the text of the words instead. */
const COMMON: ReadonlySet<string> = new Set(['com'])

/**
 * Splits a text into its words, in lower case and without accents. A word consists of letters and digits: an address has
 * at least two.
 */
export function wordsOf(text: string): string[] {
  const plain = text.slice(0, MAX_FIELD).normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
  return plain.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '')
}

/** A text as it is compared with a phrase: its words with a space before and after each. */
export const spaced = (text: string): string => ` ${wordsOf(text).join(' ')} `

/**
 * The words of a delivery's fields as one text, as a delivery stores them: a line for each field. The text is at most
 * 1,000 characters long.
 */
export function textOfWords(fields: readonly (string | undefined)[]): string {
  const lines = fields.map((field) => spaced(field ?? '')).filter((line) => line.trim() !== '')
  return [...new Set(lines)].join('\n').slice(0, MAX_TEXT)
}

/** The words of a stored text that the index holds. */
export function tokensOf(text: string): string[] {
  return allTokensOf(text)
    .filter((token) => !COMMON.has(token))
    .slice(0, MAX_TOKENS)
}

/** All words that the index may hold for a stored text, whichever version of these rules put them there. */
export const allTokensOf = (text: string): string[] => [...new Set(text.split(/\s+/).filter(Boolean).map(tokenOf))]

const tokenOf = (word: string): string => [...word].slice(0, TOKEN_LENGTH).join('')

/** One part of a search, between two spaces. */
export interface Phrase {
  /** What the words of a field must contain: from the beginning of a word, and to its end if a separator followed. */
  readonly text: string
  /** The same for a course key, where it may also begin in the middle of a word, unless a separator came first. */
  readonly fragment: string
  /** Words in the index: a match has all of them. */
  readonly tokens: readonly Token[]
}

/** A word, or the beginning of one, as the index has it. */
export interface Token {
  readonly text: string
  readonly isWhole: boolean
}

const MAX_PHRASES = 6
const MAX_PHRASE_TOKENS = 8

/** Reads the text of a search: every phrase must be found. Separators within a phrase are all the same. */
export function phrasesOf(search: string): Phrase[] {
  const parts = search.split(/\s+/).filter((part) => wordsOf(part).length > 0)
  return parts.slice(0, MAX_PHRASES).map((part) => {
    const words = wordsOf(part)
    const isWhole = /[^\p{L}\p{N}\p{M}]$/u.test(part)
    const text = ` ${words.join(' ')}${isWhole ? ' ' : ''}`
    const fromBeginning = /^[^\p{L}\p{N}]/u.test(part)
    const tokens = words.map((word, i) => ({ text: tokenOf(word), isWhole: isWhole || i < words.length - 1 }))
    // The beginning "com" stands for "comenius".
    const sought = tokens.filter((token) => !COMMON.has(token.text) || (tokens.length === 1 && !token.isWhole))
    return { text, fragment: fromBeginning ? text : text.slice(1), tokens: sought.slice(0, MAX_PHRASE_TOKENS) }
  })
}
