import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { docker, inspect, skipWithoutEngine, within } from './docker.ts'
import { composeGuide } from './guide.ts'
import { refusedEarly, sellDuring, untilServed } from './load.ts'
import type { Load, Reply, Shop } from './shop.ts'
import { prepareSite, type Site } from './site.ts'

describe('deploy/docker with Docker Compose', { skip: skipWithoutEngine }, () => {
  let site: Site
  let lms: Awaited<ReturnType<Site['startLms']>>
  let shop: Shop
  before(async () => {
    site = prepareSite()
    await site.createNetwork()
  })
  after(async () => {
    shop?.close()
    await site.clear()
  })

  /** Sells before, during and after `change`, and loses nobody. Returns all replies. */
  const underLoad = (t: TestContext, name: string, change: (load: Load) => Promise<unknown>): Promise<Reply[]> =>
    sellDuring({ t, shop, lms, name, change })

  test('it starts with the commands of the guide', async (t) => {
    const began = performance.now()
    await site.shell(composeGuide.start)
    t.diagnostic(`docker compose up took ${Math.round(performance.now() - began)} ms`)
    lms = await site.startLms()
    await within(60, 'the end of the start', async () => {
      return (await site.compose('logs', 'lernito')).includes('ready for webhooks') || undefined
    })
    await within(60, 'Caddy', async () => {
      shop = await site.openShop()
      return (await shop.ask({ path: '/readyz' })).status === 404 || undefined
    })
  })

  test('doctor finds nothing to do', async () => {
    const found = await site.shell(composeGuide.doctor)
    assert.doesNotMatch(found, /^(failure|warning|unknown)/m)
    assert.match(found, /ok +database\.services +1 service is alive/)
  })

  test('a webhook over https is enrolled, and nothing private is public', async () => {
    assert.equal(await shop.sell('alice@example.com'), 200)
    await untilServed(lms, ['alice@example.com'])
    assert.equal((await shop.ask({ path: '/lernito/openapi.json' })).status, 200)
    for (const path of ['/', '/metrics', '/healthz', '/readyz', '/api/other']) {
      assert.equal((await shop.ask({ path })).status, 404, path)
    }
  })

  test('a restart under load loses no webhook, and each request is answered 200 unless Caddy had to wait too long', async (t) => {
    const replies = await underLoad(t, 'restart', () => site.compose('restart', 'lernito'))
    assert.deepEqual(refusedEarly(replies), [])
  })

  test('an upgrade under load loses no webhook, and each request is answered 200 unless Caddy had to wait too long', async (t) => {
    const version = (): Promise<string> => site.shell('docker compose exec -T lernito lernito-openedx --version')
    const old = await version()
    site.release('99.0.0')
    const replies = await underLoad(t, 'upgrade', () => site.shell(composeGuide.start))
    assert.deepEqual(refusedEarly(replies), [])
    assert.deepEqual([old.trim() === '99.0.0', (await version()).trim()], [false, '99.0.0'])
  })

  test('the database may be killed: the shop hears of it within its 15 seconds, and no accepted sale is lost', async (t) => {
    const replies = await underLoad(t, 'killed', async (load) => {
      await site.compose('kill', 'mysql')
      await within(40, 'an answer to a request that Caddy held back', async () => load.slowest() > 12_000 || undefined)
      await site.compose('start', 'mysql')
    })
    assert.deepEqual(
      replies.filter(({ status }) => ![200, 500, 503].includes(status)),
      [],
    )
    assert.equal((await inspect(await site.container('lernito'))).restarts, 0)
  })

  test('a backup and a restore with the commands of the guide bring back the deliveries, and no later ones', async () => {
    await shop.sell('early@example.com')
    await site.shell(composeGuide.backup)
    await shop.sell('late@example.com')
    await site.shell(composeGuide.restore)
    const listed = await site.shell(composeGuide.list)
    assert.deepEqual([listed.includes('early@'), listed.includes('late@')], [true, false])
    await site.compose('start', 'lernito')
    await within(60, 'a sale', async () => (await shop.sell('late@example.com')) === 200 || undefined)
  })

  test('after the guide’s change of the database’s password, the service and the backup use the new one', async () => {
    const password = 'b2c3d4e5f6a7b8c9d0e1'
    await site.shell(composeGuide.changePassword.replace('NEW', password))
    site.set('LERNITO_MYSQL_PASSWORD', password)
    await site.shell('docker compose up -d')
    await within(60, 'a sale', async () => (await shop.sell('rotated@example.com')) === 200 || undefined)
    await site.shell(composeGuide.backup)
  })

  test('two replicas share the database, and one of them may die', async (t) => {
    await site.compose('up', '-d', '--scale', 'lernito=2', '--no-recreate')
    const [first = '', second = ''] = (await site.compose('ps', '--quiet', 'lernito')).split('\n')
    await within(30, 'both', async () => {
      for (const id of [first, second]) {
        await docker([
          'exec',
          id,
          'node',
          '-e',
          'fetch("http://127.0.0.1:8790/readyz").then((r) => process.exit(r.ok ? 0 : 1))',
        ])
      }
      return true
    })
    await underLoad(t, 'replicas', () => docker(['kill', first]))
    await docker(['start', first])
  })
})
