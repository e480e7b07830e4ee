import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { lockDatabase } from '../harness.ts'
import { until } from '../service/process.ts'
import { LEARNER, linksOf, operator, readable, signIn, startWithConsole } from './harness.ts'
import { createVisitor } from './visitor.ts'

const clock: { offset: number; stoppedAt: number | null } = { offset: 0, stoppedAt: null }
const product = await startWithConsole({ now: () => clock.stoppedAt ?? Date.now() + clock.offset })
after(() => product.stop())
const someone = await operator(product)
/** Past the time for which sign-ins share a heartbeat. */
const later = (): void => {
  clock.offset += 2_000
}
const startSignIn = (query = '') => {
  later()
  return createVisitor().get(`${product.console}/sign-in${query}`)
}

test('while the LMS is down, the sign-in is a page of ours that says since when, how many wait, and that nothing is lost', async (t) => {
  t.after(() => product.lms.noFaults())
  await product.lms.faults([{ status: 503 }])
  const before = await startSignIn()
  assert.equal(before.status, 503, 'the circuit breaker is still closed')
  assert.match(readable(before), /nobody can sign in now.* Nothing is lost.* Sales that wait: 0\./)
  assert.doesNotMatch(readable(before), /down since/)
  await product.sell({ email: 'waits@example.com' })
  const seen = await until('the outage', async () => {
    const page = await startSignIn('?next=%2Flernito%2Fconsole%2Fpeople')
    return /down since/.test(page.text) ? page : undefined
  })
  assert.match(readable(seen), /It has been down since .* UTC.* Sales that wait: 1\./)
  assert.equal(seen.headers['retry-after'], '10')
  const [again = '', anyway = ''] = linksOf(seen).filter((link) => link.includes('/sign-in'))
  assert.equal(again, '/lernito/console/sign-in?next=%2Flernito%2Fconsole%2Fpeople')
  later()
  assert.equal((await createVisitor().get(product.url + anyway)).status, 303, 'whoever knows better signs in')
  assert.equal((await someone.see('/deliveries')).status, 200, 'a session reads on')
  await product.lms.noFaults()
  later()
  const back = await createVisitor().get(product.url + again)
  assert.equal(back.status, 303)
  assert.ok(back.location.startsWith(`${product.lmsUrl}/oauth2/authorize`))
})

test('while the LMS is down, the notice of a form says that what it began waits for the LMS', async (t) => {
  t.after(() => product.lms.noFaults())
  const { headers } = await product.sell({ email: 'sold@example.com' })
  await product.lms.faults([{ status: 503 }])
  const path = `/deliveries/${headers['x-lernito-delivery']}`
  await someone.send(`${path}/replay`)
  for (const done of ['replayed', 'withdrawing']) {
    await someone.readUntil(`${path}?done=${done}`, /The service attempts this as soon as the LMS answers\. Dismiss/)
  }
  const waiting = /LMS down for (\d+ s|a second), so this delivery waits: .* The service tries the LMS again at/
  assert.match(await someone.read(path), waiting)
})

test('while the LMS is down, the page of a delivery does not say that it is attempted', async (t) => {
  t.after(() => product.lms.noFaults())
  await product.lms.faults([{ status: 503 }])
  const { headers } = await product.sell({ email: 'queued@example.com' })
  const text = await someone.readUntil(`/deliveries/${headers['x-lernito-delivery']}`, /so this delivery waits/)
  assert.match(text, /Queued Not enrolled yet\. LMS down for [\w ]+, so this delivery waits/)
})

test('the page of an enrolled sale that comes again while the LMS is down does not say that it is not enrolled', async (t) => {
  t.after(() => product.lms.noFaults())
  const sale = { email: 'alice@example.com', name: 'Repeated' }
  const { headers } = await until('the end of the outage', async () => {
    const answered = await product.sell(sale)
    return answered.status === 200 ? answered : undefined
  })
  await product.lms.faults([{ status: 503 }])
  await product.sell(sale)
  const text = readable(await someone.see(`/deliveries/${headers['x-lernito-delivery']}`))
  assert.match(text, /Queued Enrolled or pre-enrolled before, and not confirmed again yet\./)
  assert.doesNotMatch(text, /Not enrolled yet/)
})

test('everybody who signs in within a second shares one heartbeat', async (t) => {
  // The circuit breaker is open since the tests before, and its probe is a heartbeat too.
  const logged = (text: string): number => product.log.filter(({ msg }) => String(msg).startsWith(text)).length
  await until('the end of the outage', () => logged('LMS available again') === logged('LMS unavailable') || undefined)
  const heartbeats = async (): Promise<number> =>
    (await product.lms.calls()).filter(({ path }) => path === '/heartbeat').reduce((sum, { count }) => sum + count, 0)
  later()
  clock.stoppedAt = Date.now() + clock.offset // all come within a second, however long they take
  t.after(() => {
    clock.stoppedAt = null
  })
  await product.lms.forgetCalls()
  await Promise.all(Array.from({ length: 20 }, () => createVisitor().get(`${product.console}/sign-in`)))
  assert.equal(await heartbeats(), 1)
})

test('an LMS that keeps its heartbeat from the service can be signed in to', async (t) => {
  t.after(() => product.lms.noFaults())
  await product.lms.faults([{ path: '/heartbeat', status: 403 }])
  assert.equal((await startSignIn()).status, 303)
})

test('who is not staff signs out of the LMS there and comes back to the sign-in of the console', async () => {
  const visitor = createVisitor()
  later()
  const refused = await signIn(visitor, product, { login: LEARNER })
  assert.equal(refused.status, 403)
  assert.match(readable(refused), /signed in to the LMS as alice\..* manage_user alice THEIR-EMAIL --staff/)
  const [signOut = ''] = linksOf(refused).filter((link) => link.includes('/logout'))
  const left = await visitor.get(signOut)
  assert.deepEqual([left.status, left.location], [302, `${product.console}/callback`])
  const back = await visitor.get(left.location)
  assert.deepEqual([back.status, back.location], [303, '/lernito/console/sign-in'])
  const start = await visitor.get(product.url + back.location)
  assert.match((await visitor.get(start.location)).location, /^\/login\?next=/)
})

test('the sign-out of the LMS leads only to a redirect URI of the application that it names', async () => {
  const leave = async (query: string) => (await createVisitor().get(`${product.lmsUrl}/logout${query}`)).location
  const target = encodeURIComponent(`${product.console}/callback`)
  assert.equal(await leave(`?client_id=console-client&redirect_url=${target}`), `${product.console}/callback`)
  assert.equal(await leave(`?redirect_url=${target}`), '/')
  assert.equal(await leave('?client_id=console-client&redirect_url=https%3A%2F%2Fevil.test%2F'), '/')
})

test('the page after signing out has links to the console and to the sign-out of the LMS', async () => {
  const links = linksOf(await createVisitor().get(`${product.console}/signed-out`))
  assert.ok(links.includes('/lernito/console/'))
  assert.ok(links.some((link) => link.startsWith(`${product.lmsUrl}/logout?client_id=console-client`)))
})

test('an outage that paused for a moment has lasted as long on the overview as under incidents', async (t) => {
  t.after(() => product.lms.noFaults())
  for (const email of ['first@example.com', 'second@example.com']) {
    await product.lms.faults([{ status: 503 }])
    await product.sell({ email })
    await someone.readUntil('/', /not over yet/)
    if (email.startsWith('second')) break
    await product.lms.noFaults()
    await someone.readUntil('/', /^(?!.*not over yet)/)
    clock.offset += 40_000
  }
  const again = Date.now()
  await someone.readUntil('/', /LMS down for ([45]\d s|1 min)/)
  assert.ok(Date.now() - again < 30_000, 'it did not begin anew')
})

test('the page of older incidents does not say that there is none now', async () => {
  const row = (id: string, at: number, ended: number | null): string =>
    `('${id}', 'down', ${ended === null ? "'down'" : 'null'}, 'away', ${at}, ${ended ?? 'null'}, ${Date.now() + clock.offset})`
  const old = Array.from({ length: 25 }, (_, i) => row(`OLD${i}`, 1000 + i, 1001 + i))
  const db = await lockDatabase(product)
  db.exec('delete from incidents')
  db.exec(
    `insert into incidents (id, kind, open_kind, cause, started_at, ended_at, seen_at) values ${[row('NOW', Date.now() + clock.offset, null), ...old].join(',')}`,
  )
  db.exec('commit')
  db.close()
  const first = await someone.see('/incidents')
  assert.match(readable(first), /An incident is not over yet\./)
  const [older = ''] = linksOf(first).filter((link) => link.includes('after='))
  const text = await someone.read(older)
  assert.match(text, /LMS down/)
  assert.doesNotMatch(text, /No incident now/)
})
