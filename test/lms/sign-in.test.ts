import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { createSignIn, judgePerson, type SignIn } from '../../src/lms/sign-in.ts'
import { listening } from '../listening.ts'
import { answer, answerWithJwt, exchangeOf, recorded, verdict } from './recorded.ts'
import { jwt } from './scripted-lms.ts'

const type = { 'content-type': 'application/json' }
const redirectUri = 'http://127.0.0.1:8080/console/callback'

const recordedAnswer = (name: string) => answerWithJwt(exchangeOf('sign-in', name))

/** A token endpoint that gives one answer and records its requests. */
async function withEndpoint(
  t: TestContext,
  reply: { status: number; body: unknown },
  use: (signIn: SignIn, asked: URLSearchParams[]) => Promise<void>,
): Promise<void> {
  const asked: URLSearchParams[] = []
  const server = createServer(async (request, response) => {
    asked.push(new URLSearchParams(await text(request)))
    response.writeHead(reply.status, type).end(JSON.stringify(reply.body))
  })
  const { host } = await listening(t, server)
  const signIn = createSignIn({
    lmsUrl: `http://${host}`,
    publicUrl: 'https://lms.example.com',
    clientId: 'console-client',
    clientSecret: 'console-client-secret',
  })
  t.after(() => signIn.close())
  await use(signIn, asked)
}

const good = {
  access_token: jwt('x', { preferred_username: 'admin', administrator: true }),
  expires_in: 3600,
  token_type: 'JWT',
  refresh_token: 'next',
}

test('sign-in.json: every recorded answer of the token endpoint is judged', async () => {
  const verdicts: Record<string, unknown> = {}
  for (const { name, request } of recorded('sign-in')) {
    if (request.path === '/oauth2/access_token') verdicts[name] = verdict(await judgePerson(recordedAnswer(name)))
  }
  const refreshToken = '<refresh token>'
  assert.deepEqual(verdicts, {
    'code for a token, JWT': { username: 'admin', administrator: true, refreshToken },
    'the code again': 'refused',
    'code for a token of a learner': { username: 'alice', administrator: false, refreshToken },
  })
})

test('the browser goes to the LMS’s public address as recorded, each time with a new state and verifier', async (t) => {
  await withEndpoint(t, { status: 200, body: good }, async (signIn) => {
    const { url, state, verifier } = await signIn.begin(redirectUri)
    const recordedQuery = new URL(
      exchangeOf('sign-in', 'authorize, signed in as staff').request.path,
      'http://lms.test',
    )
    const asked = new URL(url)
    assert.equal(asked.origin + asked.pathname, 'https://lms.example.com/oauth2/authorize')
    const challenge = createHash('sha256').update(verifier).digest('base64url')
    assert.deepEqual(Object.fromEntries(asked.searchParams), {
      ...Object.fromEntries(recordedQuery.searchParams),
      state,
      code_challenge: challenge,
    })
    const again = await signIn.begin(redirectUri)
    assert.notEqual(again.state, state)
    assert.notEqual(again.verifier, verifier)
  })
})

test('a code is redeemed as recorded, and a refresh token by its own grant', async (t) => {
  await withEndpoint(t, { status: 200, body: good }, async (signIn, asked) => {
    const parameters = new URLSearchParams({ code: 'the-code', state: 's' })
    const finished = await signIn.finish({ parameters, attempt: { state: 's', verifier: 'v'.repeat(43) }, redirectUri })
    assert.deepEqual(verdict(finished), { username: 'admin', administrator: true, refreshToken: 'next' })
    const { form } = exchangeOf('sign-in', 'code for a token, JWT').request
    assert.deepEqual(Object.fromEntries(asked[0] ?? []), { ...form, code: 'the-code', code_verifier: 'v'.repeat(43) })
    await signIn.renew('old')
    assert.deepEqual(Object.fromEntries(asked[1] ?? []), {
      grant_type: 'refresh_token',
      refresh_token: 'old',
      token_type: 'jwt',
      client_id: 'console-client',
      client_secret: 'console-client-secret',
    })
  })
})

test('parameters that don’t belong to the attempt are refused without a call', async (t) => {
  await withEndpoint(t, { status: 200, body: good }, async (signIn, asked) => {
    const wrong = [
      'code=c&state=other',
      'code=c',
      'state=s',
      'code=&state=s',
      'error=access_denied&state=s',
      'code=c&state=s&state=s',
      'code=c&state=s&iss=http://other',
    ]
    for (const query of wrong) {
      const attempt = { state: 's', verifier: 'v'.repeat(43) }
      const judged = await signIn.finish({ parameters: new URLSearchParams(query), attempt, redirectUri })
      assert.equal(verdict(judged), 'refused', query)
    }
    assert.equal(asked.length, 0)
  })
})

test('if an answer says nothing about a person, the kind of the failure shows whether to ask again', async () => {
  const judge = async (status: number, body: unknown) => {
    const judged = await judgePerson(answer(status, body, type))
    return judged.ok ? 'ok' : [judged.failure.kind, judged.failure.message]
  }
  assert.equal((await judge(503, 'away'))[0], 'unreachable')
  assert.equal((await judge(500, 'broken'))[0], 'server_error')
  assert.equal((await judge(429, '<html>Too Many Requests</html>'))[0], 'throttled')
  assert.equal((await judge(200, 'no JSON'))[0], 'server_error')
  assert.match((await judge(401, { error: 'invalid_client' }))[1] ?? '', /LERNITO_CONSOLE_CLIENT_SECRET/)
  assert.match((await judge(400, { error: 'unauthorized_client' }))[1] ?? '', /'authorization code'/)
  const silent = { ...good, access_token: jwt('x', { preferred_username: 'admin', administrator: undefined }) }
  assert.deepEqual((await judge(200, silent))[0], 'misconfigured')
  assert.match((await judge(200, silent))[1] ?? '', /profile and email/)
})
