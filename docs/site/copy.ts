import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { openapiPage } from './openapi.ts'
import { COPIES, OPENAPI, OPENAPI_PAGE, ROOT, SOURCES } from './pages.ts'

// VitePress finds its packages only from a folder below its own, so the build reads copies.
rmSync(COPIES, { recursive: true, force: true })
for (const path of [...SOURCES, 'docs/pictures']) {
  mkdirSync(dirname(join(COPIES, path)), { recursive: true })
  cpSync(join(ROOT, path), join(COPIES, path), { recursive: true })
}
writeFileSync(join(COPIES, OPENAPI_PAGE), openapiPage(JSON.parse(readFileSync(join(ROOT, OPENAPI), 'utf8'))))
