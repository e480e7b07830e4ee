import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** A block of code on a page, between comments that name its file in examples/ and, after a #, its region. */
const BLOCK =
  /(?<begin><!-- (?<file>examples\/[^\s#:]+)(?:#(?<region>\w+))?: made by npm run docs -->\n```\w*\n).*?(?<end>```\n<!-- end of example -->)/gs

/** Returns a page with its blocks of code filled from examples/. Throws if a file or a region is missing. */
export const withExamples = (page: string): string =>
  page.replaceAll(BLOCK, (...found) => {
    const { begin = '', file = '', region, end = '' }: Record<string, string | undefined> = found.at(-1)
    const text = readFileSync(`${ROOT}/${file}`, 'utf8')
    return `${begin}${(region === undefined ? text : regionOf({ text, file, region })).trim()}\n${end}`
  })

/** The lines between the comments `region NAME` and `endregion`, which editors fold. */
function regionOf({ text, file, region }: { text: string; file: string; region: string }): string {
  const lines = new RegExp(`^(?:# |// #)region ${region}\\n(.*?)^(?:# |// #)endregion$`, 'ms')
  const [, inside] = lines.exec(text) ?? []
  if (inside === undefined) throw new Error(`${file} has no region ${region}`)
  return inside
}

if (import.meta.main) {
  for (const path of globSync('docs/**/*.md', { cwd: ROOT })) {
    const page = readFileSync(`${ROOT}/${path}`, 'utf8')
    const filled = withExamples(page)
    if (filled !== page) writeFileSync(`${ROOT}/${path}`, filled)
  }
}
