import type { FastifyRequest } from 'fastify'
import { fieldsOf, readBody, textOf } from '../api/bodies.ts'
import type { Lms } from '../lms/lms.ts'
import type { Person } from '../lms/people.ts'

/** The person who is signed in in this browser, or null. */
export function signedInPerson(lms: Lms, request: FastifyRequest): Person | null {
  const username = lms.sessions.usernameOf(request.headers.cookie)
  return (username === null ? undefined : lms.state.findPerson({ username })) ?? null
}

/** Reads the fields of a posted form. A field that is missing or can't be read is ''. */
export function formReader(request: FastifyRequest): (name: string) => string {
  const bytes = request.body instanceof Uint8Array ? request.body : new Uint8Array()
  const body = readBody({ bytes, contentType: request.headers['content-type'] })
  const fields = 'data' in body ? (fieldsOf(body.data) ?? {}) : {}
  return (name) => textOf(fields[name])
}

/** A query parameter of the page's URL; '' if it is missing. */
export function queryOf(request: FastifyRequest, name: string): string {
  return new URL(request.url, 'http://stand-in').searchParams.get(name) ?? ''
}
