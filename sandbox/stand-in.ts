import { randomBytes } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { accountViews } from './api/accounts-api.ts'
import { achievementViews } from './api/achievements-api.ts'
import { allowanceView } from './api/allowance-api.ts'
import { authorizeView } from './api/authorize.ts'
import { bulkView, dashboardEnrollmentView } from './api/bulk-api.ts'
import { courseViews } from './api/course-api.ts'
import { courseModesView } from './api/course-details.ts'
import { enrollmentV2View, enrollmentViews } from './api/enrollment-api.ts'
import { enrollmentListView } from './api/enrollment-list-api.ts'
import { addHeartbeat } from './api/heartbeat.ts'
import { modifyView } from './api/modify-api.ts'
import { tokenView } from './api/oauth.ts'
import { registrationView } from './api/registration.ts'
import { searchEmailsView } from './api/search-emails-api.ts'
import { addView, send } from './api/serve.ts'
import { addControl } from './control.ts'
import { defaultWorld } from './default-world.ts'
import { addFaultHooks } from './fault-hooks.ts'
import { errorPage } from './lms/answers.ts'
import { SandboxError } from './lms/error.ts'
import { createLms, type LmsOptions, sleep } from './lms/lms.ts'
import { addDashboard } from './pages/dashboard.ts'
import { addMails } from './pages/mails.ts'
import { addRegistration } from './pages/register.ts'
import { addSignIn } from './pages/sign-in.ts'
import { addStartPage } from './pages/start.ts'
import { addSupportPages } from './pages/support.ts'

/** The defaults: the default world, the stock throttle of 120, all APIs, no cost, the real clock and randomness. */
export type StandInOptions = Partial<LmsOptions>
export type RunningStandIn = { url: string; app: FastifyInstance; close: () => Promise<void> }

/** Addresses that the LMS redirects to the one with a slash (recorded: enrollment-allowed.json, 'no trailing slash'). */
const slashless = [
  '/api/enrollment/v1/enrollment_allowed',
  '/api/courses/v1/courses',
  '/api/user/v2/account/registration',
]
const maxBodyBytes = 10 * 1024 * 1024
/** The limit of gunicorn, bytes, and its answer (recorded: people-lists.json, 'enrollments: 100 long addresses'). */
const maxRequestLine = 4094
const tooLongRequest = { ...errorPage(400), headers: { 'content-type': 'text/html' } }
/** The limit of uWSGI as Tutor sets it, bytes (overhangio/tutor, build/openedx/settings/uwsgi.ini: `buffer-size`). */
const maxUwsgiBlock = 8192
/** What the names and values of the server's own variables take in it. */
const uwsgiServerBytes = 155
const loopback = /^(?:localhost|::1|127(?:\.\d{1,3}){3})$/

const noSchemas = (): never => {
  throw new Error('A view has a schema of Fastify.')
}
/** No view has such a schema. Fastify would load 120 modules for its compilers of them. */
const noCompilers = { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } }
const appOptions = {
  forceCloseConnections: true,
  bodyLimit: maxBodyBytes,
  routerOptions: { maxParamLength: 5000 },
  schemaController: noCompilers,
}

const enrollmentV1 = [...enrollmentViews, enrollmentListView, allowanceView]
/** In the order in which they are added. */
const everyView = [
  tokenView,
  authorizeView,
  registrationView,
  ...courseViews,
  courseModesView,
  ...accountViews,
  ...achievementViews,
  ...enrollmentV1,
  enrollmentV2View,
  searchEmailsView,
  dashboardEnrollmentView,
  bulkView,
  modifyView,
]

/**
 * The size of a request for uWSGI, which names the query twice. uWSGI cuts the connection if it has no room for it
 * (unbit/uwsgi, plugins/http/http.c, `http_headers_parse`; proto/uwsgi.c, 'invalid request block size'; tried with 2.0.30).
 */
function uwsgiBlock({ method, url, headers }: FastifyRequest): number {
  const [path = '', ...query] = url.split('?')
  const named = Object.entries(headers).map(([name, value]) => [`HTTP_${name}`, String(value)])
  const request = { REQUEST_METHOD: method, REQUEST_URI: url, PATH_INFO: path, QUERY_STRING: query.join('?') }
  const texts = [...Object.entries(request), ...named]
  return texts.reduce((sum, [name = '', value = '']) => sum + 4 + name.length + value.length, uwsgiServerBytes)
}

/** Builds the stand-in LMS: a Fastify app that listens to nothing yet. */
function createStandIn(options: StandInOptions = {}): FastifyInstance {
  const lms = createLms({
    world: defaultWorld,
    throttle: 120,
    bulk: true,
    modify: true,
    enrollment: 'v1',
    cost: 'none',
    now: Date.now,
    sleep,
    random: randomBytes,
    redirectUris: {},
    onChanges: () => {},
    ...options,
  })
  const app = Fastify(appOptions)

  // Views parse the raw bytes themselves, because the LMS parses only after it has checked the caller.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.setNotFoundHandler((_request, reply) => send(reply, errorPage(404)))
  app.setErrorHandler<Error & { statusCode?: number }>((error, _request, reply) =>
    send(reply, errorPage(error.statusCode ?? 500)),
  )

  app.addHook('onRequest', async (request, reply) => {
    const line = `${request.method} ${request.url} HTTP/1.1`
    if (line.length > maxRequestLine) return send(reply, tooLongRequest)
    if (uwsgiBlock(request) > maxUwsgiBlock) {
      request.raw.socket.destroy()
      return reply.hijack()
    }
  })
  addFaultHooks({ app, lms })
  addControl({ app, lms, views: everyView })
  addHeartbeat({ app })
  for (const addPages of [addStartPage, addRegistration, addSignIn, addDashboard, addMails, addSupportPages])
    addPages({ app, lms })
  const missing = new Set([
    ...(lms.enrollment === 'v2' ? enrollmentV1 : []),
    ...(lms.enrollment === 'v1' ? [enrollmentV2View] : []),
    ...(lms.bulk ? [] : [bulkView]),
    ...(lms.modify ? [] : [modifyView]),
  ])
  for (const view of everyView) if (!missing.has(view)) addView({ app, lms, view })
  for (const path of slashless) {
    app.all(path, (request, reply) => {
      const location = request.url.replace(path, `${path}/`)
      return send(reply, { status: 301, headers: { location }, body: '' })
    })
  }
  return app
}

/**
 * Builds the stand-in and listens on `host` (127.0.0.1) and `port` (0: any free one).
 * Throws SandboxError 'sandbox.not_loopback' for a host that other machines could reach, 'address.in_use' for a port in use.
 */
export async function startStandIn({
  host = '127.0.0.1',
  port = 0,
  ...options
}: StandInOptions & { host?: string; port?: number } = {}): Promise<RunningStandIn> {
  if (!loopback.test(host)) {
    throw new SandboxError(
      'sandbox.not_loopback',
      `The stand-in LMS listens on loopback only, because its passwords and control API are open to everyone: use 127.0.0.1, not ${host}.`,
    )
  }
  const app = createStandIn(options)
  try {
    const url = await app.listen({ host, port })
    return { url, app, close: () => app.close() }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new SandboxError(
        'address.in_use',
        `Port ${port} on ${host} is taken: stop what listens there, or choose another.`,
        { cause: error },
      )
    }
    throw error
  }
}
