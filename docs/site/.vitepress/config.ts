import { copyFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { renderMermaidSVG } from 'beautiful-mermaid'
import { defineConfig } from 'vitepress'
import { COPIES, linkOnSite, OPENAPI, PLACES, ROOT, sidebar, slugOf } from '../pages.ts'

/** The address of the repository on the forge, such as https://forge.example.com/owner/name. */
const repository = process.env.SITE_REPOSITORY || undefined

/** A diagram as a picture. From top to bottom it is as wide as the text, so that its words are as large. */
function diagram(source: string): string {
  const svg = renderMermaidSVG(source.replace(/^(flowchart|graph) LR/, '$1 TD'), { bg: '', fg: '', transparent: true })
  // Its styles are in the theme, because those in a picture would hold for the whole page.
  return `<div class="diagram">${svg.replace(/<style>.*?<\/style>/s, '').replace(/ style="[^"]*"/, '')}</div>\n`
}

export default defineConfig({
  title: 'lernito-openedx',
  description: 'Turns the signed sale webhooks of a Lernito course shop into Open edX enrollments',
  lang: 'en-US',
  // The forge's static pages may be in a folder of a host.
  base: `${process.env.SITE_BASE ?? ''}/`,
  srcDir: 'generated',
  rewrites: { ...PLACES },
  markdown: {
    anchor: { slugify: slugOf },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    config: (md) => {
      // Nothing in a document is a component, so a line in a paragraph may begin with <name>, as on the forge.
      const html = new (md.constructor as new () => typeof md)().block.ruler
        .getRules('')
        .find(({ name }) => name === 'html_block')
      if (html) md.block.ruler.at('html_block', html, { alt: ['paragraph', 'reference', 'blockquote'] })
      // Braces in a document are no template of the site.
      for (const rule of ['text', 'code_inline', 'fence'] as const) {
        const render = md.renderer.rules[rule]
        md.renderer.rules[rule] = (...given) => (render?.(...given) ?? '').replaceAll('{{', '&#123;&#123;')
      }
      const { fence } = md.renderer.rules
      md.renderer.rules.fence = (tokens, at, ...given) => {
        const { info = '', content = '' } = tokens[at] ?? {}
        return info.trim() === 'mermaid' ? diagram(content) : (fence?.(tokens, at, ...given) ?? '')
      }
      md.core.ruler.push('links-on-site', ({ tokens, env }) => {
        const source = relative(COPIES, env.realPath ?? env.path)
        let tag = 'a'
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          if (token.type === 'link_open') {
            const link = linkOnSite({ source, href: String(token.attrGet('href')), repository })
            tag = link === null ? 'span' : 'a'
            if (link === null) Object.assign(token, { type: 'no_link_open', attrs: null })
            else token.attrSet('href', link)
          }
          if (/^(no_)?link_(open|close)$/.test(token.type)) token.tag = tag
        }
      })
    },
  },
  themeConfig: {
    // One wrong letter in ten, so that "shedding" doesn't find "sending" first.
    search: { provider: 'local', options: { miniSearch: { searchOptions: { fuzzy: 0.1 } } } },
    sidebar: sidebar().map(({ text, items, collapsed }) => ({
      text,
      collapsed: collapsed ?? false,
      items: [...items],
    })),
    nav: [
      { text: 'First sale', link: '/tutorial' },
      { text: 'Install', link: '/how-to/install' },
      { text: 'OpenAPI', link: '/reference/openapi' },
      { text: 'About', link: '/about' },
      { text: 'Changes', link: '/changelog' },
    ],
    outline: { level: [2, 3] },
    ...(repository === undefined ? {} : { socialLinks: [{ icon: 'github', link: repository }] }),
  },
  buildEnd: ({ outDir }) => {
    copyFileSync(join(ROOT, OPENAPI), join(outDir, 'reference/openapi.json'))
  },
})
