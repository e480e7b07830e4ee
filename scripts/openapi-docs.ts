import { writeFileSync } from 'node:fs'
import { openApiDocument } from '../src/openapi/document.ts'
import { VERSION } from '../src/version.ts'

/** Returns docs/reference/openapi.json, as the service serves it. */
export const openApiFile = (): string => `${JSON.stringify(openApiDocument({ version: VERSION }), null, 2)}\n`

if (import.meta.main) writeFileSync(new URL('../docs/reference/openapi.json', import.meta.url), openApiFile())
