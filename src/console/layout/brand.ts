import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const SHEETS = [
  '@openedx/brand-openedx/paragon/build/core/variables.css',
  '@openedx/brand-openedx/paragon/build/themes/light/variables.css',
]

/**
 * Returns a CSS rule with the variables of Open edX's brand that `css` uses, and those that they refer to. The brand has
 * about 2,500 variables in 200 KB, and a page needs two dozen. Throws Error for a variable that the brand doesn't have.
 */
export function brandVariables(css: string): string {
  const all = new Map<string, string>()
  for (const sheet of SHEETS) {
    const text = readFileSync(fileURLToPath(import.meta.resolve(sheet)), 'utf8')
    for (const [, name = '', value = ''] of text.matchAll(/^\s*(--pgn-[\w-]+):\s*([^;]+);/gm)) all.set(name, value)
  }
  const used = new Map<string, string>()
  const use = (text: string): void => {
    for (const [, name = ''] of text.matchAll(/var\((--pgn-[\w-]+)/g)) {
      const value = all.get(name)
      if (value === undefined) throw new Error(`the brand has no ${name}`)
      if (used.has(name)) continue
      used.set(name, value)
      use(value)
    }
  }
  use(css)
  return `:root {\n${[...used].map(([name, value]) => `  ${name}: ${value};\n`).join('')}}\n`
}
