// MariaDB compares by utf8mb4_unicode_ci: letter case, accents and trailing spaces make no difference
// (recorded: bulk-enroll.json, 'non-ASCII and quoted addresses': josé@example.com finds jose@example.com).
const letters: Record<string, string> = { ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', ł: 'l', đ: 'd', ı: 'i' }

/** The form that the LMS's database compares: two texts are equal if their folded forms are. Rows keep their spelling. */
export function fold(text: string): string {
  return text
    .toLowerCase()
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[ßæœøłđı]/g, (letter) => letters[letter] ?? letter)
    .replace(/ +$/, '')
}

/** Compares two texts as the database's ORDER BY does, by their folded forms: negative, zero or positive. */
export function compareFolded(a: string, b: string): number {
  const left = fold(a)
  const right = fold(b)
  return left < right ? -1 : left > right ? 1 : 0
}
