import type { FastifyInstance } from 'fastify'
import { openApiDocument } from './document.ts'

/** Below /lernito/, which a proxy passes on already. */
export function openApiRoute({ app, version }: { app: FastifyInstance; version: string }): void {
  const document = openApiDocument({ version })
  app.get('/lernito/openapi.json', () => document)
}
