import type { FastifyInstance } from 'fastify'
import { openApiDocument } from './document.ts'

/** Serves the document under /lernito/, a path that proxies already forward. */
export function openApiRoute({ app, version }: { app: FastifyInstance; version: string }): void {
  const document = openApiDocument({ version })
  app.get('/lernito/openapi.json', () => document)
}
