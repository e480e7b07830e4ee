import type { Product } from '../harness.ts'

interface Route {
  readonly path: string
  readonly methods: readonly string[]
}

/** Returns the routes of the console. Fastify prints them as a tree with four characters for each level. */
export function consoleRoutes({ service }: Pick<Product, 'service'>): Route[] {
  const above: string[] = []
  const all = service.app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', part = '', methods = ''] = line.match(/^(.*?)[├└]── (\S+) \(([^)]*)\)/) ?? []
      if (part === '') return []
      const depth = indent.length / 4
      above[depth] = (depth === 0 ? '' : (above[depth - 1] ?? '')) + part
      return [{ path: above[depth] ?? '', methods: methods.split(', ') }]
    })
  return all.filter(({ path }) => path.startsWith('/lernito/console'))
}
