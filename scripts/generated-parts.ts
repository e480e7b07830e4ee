/** Returns a table in Markdown. */
export const table = (heading: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')

/** Returns a page with a new part between the two comments that name it. Throws if the page doesn't have them once. */
export function withPart(page: string, { name, part }: { name: string; part: string }): string {
  const [begin, end] = [`<!-- ${name}: made by npm run docs -->\n`, `<!-- end of ${name} -->`]
  const [before, rest = '', ...more] = page.split(begin)
  const [, after] = rest.split(end)
  if (after === undefined || more.length > 0) throw new Error(`the page needs one "${begin.trim()}" and its end`)
  return `${before}${begin}${part}${end}${after}`
}
