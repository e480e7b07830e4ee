import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { z } from 'zod'
import { CAUSE_GROUPS } from '../../src/doctor/check.ts'
import type { Result } from '../../src/doctor/examine.ts'
import { CHALLENGE_HEADER, challengeOf, PROOF_HEADER } from '../../src/shop/signature/identity.ts'
import { exchange, SECRET, startProduct } from '../harness.ts'
import { NO_OPENSSL } from '../lms/certificates.ts'
import { json, page, type ScriptedLms, startScriptedLms } from '../lms/scripted-lms.ts'
import { startLms } from '../service/serving.ts'
import {
  type Case,
  envFor,
  examined,
  inWorld,
  nobody,
  problemOf,
  resultOf,
  selfSigned,
  silent,
  standIn,
  testCauses,
} from './examining.ts'

type Env = Record<string, string>

const HERE = 'https://lernito.example.com'
const CONSOLE = {
  LERNITO_CONSOLE_CLIENT_ID: 'console-client',
  LERNITO_CONSOLE_CLIENT_SECRET: 'console-client-secret',
  LERNITO_PUBLIC_URL: HERE,
}
const WEBHOOK = '/api/lernito/webhook/'

const recordings = z
  .object({
    cases: z.array(z.object({ name: z.string(), response: z.object({ status: z.number(), body: z.unknown() }) })),
  })
  .parse(JSON.parse(readFileSync(new URL('../recordings/lernito-webhook.json', import.meta.url), 'utf8')))

/** The original plugin's recorded answer to a method. */
function original(method: 'GET' | 'OPTIONS'): { status: number; body: unknown } {
  const found = recordings.cases.find(({ name }) => name === method)
  assert.ok(found)
  return found.response
}

/** Settings of a console whose LMS is a stand-in. */
const console = ({ env = {}, faults = [] }: { env?: Env; faults?: readonly object[] }): Case['broken'] =>
  standIn({ faults, env: { ...CONSOLE, ...env } })

const without = (name: keyof typeof CONSOLE): Env => ({ [name]: '' })

/** A server at LERNITO_PUBLIC_URL that answers as the test says. */
const publicly = (script: (web: ScriptedLms) => void): Case['broken'] => {
  return async (t) => {
    const web = await startScriptedLms(t)
    script(web)
    return publicAt(web.url)(t)
  }
}
const publicAt = (url: string, more: Env = {}): Case['broken'] => {
  return async (t) => {
    const env = envFor({ t, lmsUrl: `http://${await nobody(t)}` })
    return examined({ env: { ...env, LERNITO_PUBLIC_URL: url, ...more } })
  }
}
/** The setting by which doctor uses the database of a service. */
const databaseOf = ({ folder }: { folder: string }): Env => ({
  LERNITO_DATABASE_URL: `sqlite:${join(folder, 'lernito.db')}`,
})

const CASES: Readonly<Record<keyof typeof CAUSE_GROUPS.outside, Case>> = {
  'console.no_secret': {
    rule: 'a console without the secret of its application',
    found: 'console.application',
    broken: console({ env: without('LERNITO_CONSOLE_CLIENT_SECRET') }),
  },
  'console.no_public_url': {
    rule: 'a console without a public address',
    found: 'console.sign_in',
    broken: console({ env: without('LERNITO_PUBLIC_URL') }),
  },
  'console.invalid_client': {
    rule: 'an application that was deleted in the LMS',
    found: 'console.application',
    broken: inWorld(
      ({ applications }) => ({ applications: applications.filter(({ client_id }) => client_id !== 'console-client') }),
      CONSOLE,
    ),
  },
  'console.grant_type': {
    rule: 'the application of the service instead of that of the console',
    found: 'console.application',
    broken: console({
      env: { LERNITO_CONSOLE_CLIENT_ID: 'lernito-client', LERNITO_CONSOLE_CLIENT_SECRET: 'lernito-client-secret' },
    }),
  },
  'console.failed': {
    rule: 'a token endpoint that limits calls',
    found: 'console.application',
    broken: console({ faults: [{ path: '/oauth2/access_token', status: 429, body: '<html>' }] }),
  },
  'console.unreachable': {
    rule: 'a public address of the LMS where nothing listens',
    found: 'console.sign_in',
    broken: async (t) => console({ env: { LERNITO_LMS_PUBLIC_URL: `http://${await nobody(t)}` } })(t),
  },
  'console.no_sign_in': {
    rule: 'an error page where the sign-in page should be, as for a wrong redirect URI',
    found: 'console.sign_in',
    broken: console({ faults: [{ path: '/oauth2/authorize', status: 500 }] }),
  },
  'console.refused': {
    rule: 'an LMS that sends the browser back at once with an error',
    found: 'console.sign_in',
    broken: async (t) => {
      const web = await startScriptedLms(t)
      const location = `${HERE}/lernito/console/callback?error=invalid_scope`
      web.on('GET /oauth2/authorize', page(302, '', { location }))
      return console({ env: { LERNITO_LMS_PUBLIC_URL: web.url } })(t)
    },
  },
  'public.unreachable': {
    rule: 'a public address that does not let this machine in',
    found: 'public_url',
    broken: async (t) => publicAt(`http://${await nobody(t)}`)(t),
  },
  'public.silent': {
    rule: 'a proxy that waits for a service that is down',
    found: 'public_url',
    broken: async (t) => {
      const env = { ...envFor({ t, lmsUrl: 'http://127.0.0.1:9' }), LERNITO_PUBLIC_URL: `http://${await silent(t)}` }
      return examined({ env, deadlines: { callMs: 300, totalMs: 3_000 } })
    },
  },
  'public.tls': {
    rule: 'a public address with a self-signed certificate',
    found: 'public_url',
    broken: async (t) => publicAt(`https://${await selfSigned(t)}`)(t),
    skip: NO_OPENSSL,
  },
  'public.redirects': {
    rule: 'a public address that redirects to https',
    found: 'public_url',
    broken: publicly((web) => web.on(`GET ${WEBHOOK}`, page(308, '', { location: `${HERE}${WEBHOOK}` }))),
  },
  'public.gateway': {
    rule: 'a proxy that does not reach the service',
    found: 'public_url',
    broken: publicly((web) => web.on(`GET ${WEBHOOK}`, page(502, 'Bad Gateway'))),
  },
  'public.plugin': {
    rule: 'the original plugin behind the public address',
    found: 'public_url',
    broken: publicly((web) => mount(web, WEBHOOK)),
  },
  'public.other': {
    rule: 'a proxy that sends the webhooks to an LMS, which has no such page',
    found: 'public_url',
    broken: async (t) => publicAt((await startLms(t)).url)(t),
  },
  'public.another': {
    rule: 'another installation at the public address, which has the same webhook secret',
    found: 'public_url',
    broken: async (t) => publicAt((await productWith(t)).url, databaseOf(await productWith(t)))(t),
  },
  'public.not_ready': {
    rule: 'a service without its database',
    found: 'public_url',
    broken: async (t) => {
      const env = { LERNITO_DATABASE_URL: `mysql://lernito:pw@${await nobody(t)}/lernito` }
      const product = await startProduct({ env })
      t.after(() => product.stop())
      return publicAt(product.url)(t)
    },
  },
  'plugin.mounted': {
    rule: 'the original plugin in the LMS',
    found: 'lms.plugin',
    broken: async (t) => {
      const lms = await startLms(t)
      const fault = (method: 'GET' | 'OPTIONS') => ({ method, path: '/lernito/webhook/', ...original(method) })
      await lms.faults([fault('GET'), fault('OPTIONS')])
      return examined({ env: envFor({ t, lmsUrl: lms.url }) })
    },
  },
}

/** Makes the original plugin answer at a path. */
function mount(web: ScriptedLms, path: string): void {
  for (const method of ['GET', 'OPTIONS'] as const) {
    const { status, body } = original(method)
    web.on(`${method} ${path}`, json(status, body))
  }
}

testCauses(CAUSE_GROUPS.outside, CASES)

const problemsOf = (results: readonly Result[], id: Result['id']): string =>
  resultOf(results, id)
    .problems.map(({ message }) => message)
    .join()

const productWith = async (t: TestContext) => {
  const product = await startProduct()
  t.after(() => product.stop())
  return product
}

test('the checks of the console pass if the LMS has its application, and they show the redirect URI', async (t) => {
  const results = await console({})(t)
  assert.equal(resultOf(results, 'console.application').status, 'ok')
  const { status, detail } = resultOf(results, 'console.sign_in')
  assert.equal(status, 'ok')
  assert.match(detail ?? '', /https:\/\/lernito\.example\.com\/lernito\/console\/callback$/)
})

test('without a console, its checks are skipped', async (t) => {
  const results = await console({ env: without('LERNITO_CONSOLE_CLIENT_ID') })(t)
  assert.deepEqual(
    [resultOf(results, 'console.application').status, resultOf(results, 'console.sign_in').status],
    ['skipped', 'skipped'],
  )
})

test('a wrong secret of the console’s application is reported', async (t) => {
  const results = await console({ env: { LERNITO_CONSOLE_CLIENT_SECRET: 'another' } })(t)
  assert.match(problemsOf(results, 'console.application'), /invalid_client/)
})

test('this service is recognized at the public address by its own answer', async (t) => {
  const product = await productWith(t)
  const { status, detail } = resultOf(await publicAt(product.url, databaseOf(product))(t), 'public_url')
  assert.deepEqual([status, detail], ['ok', `the shop sends webhooks to ${product.url}${WEBHOOK}`])
  const metrics = (await exchange({ url: `${product.url}/metrics`, method: 'GET' })).text
  assert.doesNotMatch(metrics, /lernito_webhook_refused_total\{reason="method"\} [1-9]/, 'it is no refused sender')
})

test('a service with this database, but another webhook secret, is not taken for this one', async (t) => {
  const product = await productWith(t)
  const settings = { ...databaseOf(product), LERNITO_WEBHOOK_SECRET: 'the secret of another shop' }
  assert.match(problemOf(await publicAt(product.url, settings)(t), 'public_url'), /^public\.another: /)
})

test('who does not know the webhook secret gets no proof, not even with a challenge of the right form', async (t) => {
  const { url } = await productWith(t)
  const nonce = 'ab'.repeat(16)
  const proofFor = async (challenge: string): Promise<string | undefined> => {
    const { status, headers } = await exchange({
      url: `${url}${WEBHOOK}`,
      method: 'GET',
      headers: { [CHALLENGE_HEADER]: challenge },
    })
    assert.equal(status, 405)
    return headers[PROOF_HEADER]?.toString()
  }
  assert.equal(await proofFor(challengeOf({ secret: 'a guess', nonce })), undefined)
  assert.equal(await proofFor(`${nonce}.${'0'.repeat(64)}`), undefined)
  assert.equal(await proofFor('x'.repeat(2000)), undefined)
  assert.match((await proofFor(challengeOf({ secret: SECRET, nonce }))) ?? '', /^[0-9a-f]{64}$/)
})

test('the original plugin is found at the path where it mounts, even behind the service’s public address', async (t) => {
  const ours = { success: false, message: 'Method "GET" not allowed.', detail: 'Method "GET" not allowed.' }
  const results = await publicly((web) => {
    web.on(`GET ${WEBHOOK}`, json(405, ours))
    mount(web, '/lernito/webhook/')
  })(t)
  assert.match(problemsOf(results, 'public_url'), /original Django plugin in the LMS answers at .*\/lernito\/webhook\//)
})

test('this service behind LERNITO_LMS_URL is not mistaken for the original plugin', async (t) => {
  const product = await productWith(t)
  const [lms, web] = [await startLms(t), await startScriptedLms(t)]
  web.on('GET /heartbeat', json(200, { sql: { status: true } }))
  for (const path of [WEBHOOK, '/lernito/webhook/']) {
    const response = await fetch(`${product.url}${path}`)
    web.on(`GET ${path}`, json(response.status, await response.json()))
  }
  const proxied = resultOf(await examined({ env: envFor({ t, lmsUrl: web.url }) }), 'lms.plugin')
  assert.deepEqual([proxied.status, proxied.detail?.split(' by ')[0]], ['ok', 'LERNITO_LMS_URL leads to this service'])
  const direct = resultOf(await examined({ env: envFor({ t, lmsUrl: lms.url }) }), 'lms.plugin')
  assert.deepEqual([direct.status, direct.detail], ['ok', 'it is not mounted'])
})

test('another API that refuses GET at the webhook’s path is not mistaken for the original plugin', async (t) => {
  const results = await publicly((web) => web.on(`GET ${WEBHOOK}`, json(405, original('GET').body)))(t)
  assert.match(problemsOf(results, 'public_url'), /Another server answers at .* \(405\)/)
})
