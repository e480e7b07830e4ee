import { html } from 'ghtml'

/** A letter without its case and accents, as the texts are in which a search looks. An accent of its own is ''. */
const folded = (letter: string): string => letter.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()

/**
 * Returns a text as escaped HTML, with what a search found in it between `<b>` and `</b>`: “lop” in “López”.
 * @param words without letter case and accents: see wordsOf
 */
export function markedHtml(text: string, words: readonly string[]): string {
  const letters = [...text]
  // The place in `letters` of each unit of the folded text, because a letter may become several, or none.
  const places = letters.flatMap((letter, place) =>
    folded(letter)
      .split('')
      .map(() => place),
  )
  const searched = letters.map(folded).join('')
  const isMarked = new Set<number>()
  for (const word of words) {
    if (word === '') continue
    for (let at = searched.indexOf(word); at >= 0; at = searched.indexOf(word, at + 1)) {
      for (const place of places.slice(at, at + word.length)) isMarked.add(place)
    }
  }
  const runs: { text: string; marked: boolean }[] = []
  for (const [place, letter] of letters.entries()) {
    const last = runs.at(-1)
    const marked = folded(letter) === '' ? (last?.marked ?? false) : isMarked.has(place)
    if (last?.marked === marked) last.text += letter
    else runs.push({ text: letter, marked })
  }
  return runs.map((run) => (run.marked ? html`<b>${run.text}</b>` : html`${run.text}`)).join('')
}
