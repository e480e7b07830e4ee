import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Answered } from '../harness.ts'
import { docker, inspect, within } from './docker.ts'
import { tutorGuide } from './guide.ts'
import { refusedEarly, sellDuring, untilServed } from './load.ts'
import type { Shop } from './shop.ts'
import { optionOf } from './tutor-jobs.ts'
import { prepareTutorSite, skipWithoutTutor, TUTORS, type TutorSite } from './tutor-site.ts'

for (const tutor of TUTORS) {
  describe(`deploy/tutor with tutor local ${tutor}`, { skip: skipWithoutTutor }, () => {
    let site: TutorSite
    let lms: Awaited<ReturnType<TutorSite['openLms']>>
    let shop: Shop
    before(async () => {
      site = prepareTutorSite(tutor)
      await site.configure()
    })
    after(async () => {
      shop?.close()
      await site.clear()
    })

    const listed = (): Promise<string> =>
      site.shell('tutor local exec -T lernito node bin/lernito-openedx.js deliveries list --all')
    /** What the jobs have asked of manage.py for the plugin. */
    const ours = (): string[][] => site.calls().filter((args) => args.some((arg) => arg.startsWith('lernito')))
    const unsigned = (): Promise<Answered> => {
      const headers = { 'content-type': 'application/json' }
      return shop.ask({ path: '/api/lernito/webhook/', method: 'POST', headers, body: '{}' })
    }
    const sql = async (query: string): Promise<string> => {
      const login = 'mysql --user=root --password="$MYSQL_ROOT_PASSWORD" --batch --skip-column-names'
      return docker(['exec', await site.container('mysql'), 'sh', '-c', `${login} --execute "$0"`, query])
    }

    test('it launches with the commands of its README', async (t) => {
      await site.shell(tutorGuide.install)
      const began = performance.now()
      await site.shell(tutorGuide.build)
      t.diagnostic(`tutor images build took ${Math.round(performance.now() - began)} ms`)
      await site.buildStandIns()
      const launched = performance.now()
      const printed = await site.shell(tutorGuide.launch)
      t.diagnostic(`tutor local launch took ${Math.round(performance.now() - launched)} ms`)
      assert.match(printed, /^ +http:\/\/local\.openedx\.io\/lernito\/console\/$/m)
      shop = await site.openShop()
      lms = await site.openLms()
      await within(30, 'the service', async () => (await shop.sell('first@example.com')) === 200 || undefined)
    })

    test('its tasks ask the LMS for a staff user and two applications, and nothing else', () => {
      const [user, service, console, ...more] = ours()
      assert.deepEqual(user, ['lms', 'manage_user', 'lernito', 'lernito@example.com', '--staff', '--unusable-password'])
      for (const [args = [], grant, id] of [
        [service, 'client-credentials', 'lernito'],
        [console, 'authorization-code', 'lernito-console'],
      ] as const) {
        assert.deepEqual(
          [args[1], optionOf(args, '--grant-type'), optionOf(args, '--client-id'), args.slice(-2)],
          ['create_dot_application', grant, id, [id, 'lernito']],
        )
      }
      assert.deepEqual(more, [])
    })

    test('its database is the service’s own, and its user may use no other', async () => {
      const charset = "select default_character_set_name from information_schema.schemata where schema_name = 'lernito'"
      assert.equal(await sql(charset), 'utf8mb4')
      const grants = await sql("show grants for 'lernito'@'%'")
      assert.deepEqual(
        [...grants.matchAll(/^GRANT (.*) ON (\S+) TO/gm)].map(([, rights, on]) => `${rights} ON ${on}`),
        ['USAGE ON *.*', 'ALL PRIVILEGES ON `lernito`.*'],
      )
    })

    test('doctor finds nothing to do', async () => {
      const found = await site.shell(tutorGuide.doctor)
      assert.doesNotMatch(found, /^(failure|warning|unknown)/m)
      assert.match(found, /ok +database\.services +1 service is alive/)
    })

    test('a webhook through Tutor’s Caddy is enrolled, and the rest of the site is the LMS’s', async () => {
      assert.equal(await shop.sell('alice@example.com'), 200)
      await untilServed(lms, ['alice@example.com'])
      assert.equal((await unsigned()).status, 401)
      assert.match((await shop.ask({ path: '/heartbeat' })).text, /modulestore/)
      for (const path of ['/metrics', '/healthz', '/readyz']) assert.equal((await shop.ask({ path })).status, 404, path)
    })

    test('the first sale of the README is enrolled', async () => {
      assert.match(await site.shell(tutorGuide.firstSale), /^200 OK$/m)
      await untilServed(lms, ['you@example.com'])
    })

    test('the service runs as user 1000 from a read-only root file system', async () => {
      const id = await site.container('lernito')
      assert.equal(await docker(['exec', id, 'id', '-u']), '1000')
      await assert.rejects(docker(['exec', id, 'touch', '/etc/file']), /Read-only file system/)
    })

    test('the tasks may run again: they ask for the same, and the service and its deliveries stay', async () => {
      const state = async (): Promise<unknown> => [
        await listed(),
        (await inspect(await site.container('lernito'))).StartedAt,
      ]
      const [before, asked] = [await state(), ours()]
      await site.shell(tutorGuide.init)
      assert.deepEqual(await state(), before)
      assert.deepEqual(ours(), [...asked, ...asked])
      assert.equal(await shop.sell('alice@example.com'), 200)
    })

    test('an upgrade with the commands of the README loses no webhook, and each request is answered 200 unless Caddy had to wait too long', async (t) => {
      const version = (): Promise<string> =>
        site.shell('tutor local exec -T lernito node bin/lernito-openedx.js --version | tail -n 1')
      const old = (await version()).trim()
      site.release('99.0.0')
      assert.equal((await version()).trim(), old, 'what runs is not the checkout')
      const replies = await sellDuring({
        t,
        shop,
        lms,
        name: 'upgrade',
        change: async () => {
          await site.keepLog()
          await site.shell(tutorGuide.upgrade)
        },
      })
      assert.deepEqual(refusedEarly(replies), [])
      assert.deepEqual([old === '99.0.0', (await version()).trim()], [false, '99.0.0'])
      assert.match(await listed(), /alice@/)
    })

    test('tutor local stop ends the service with code 0, long before Docker would kill it', async () => {
      await site.shell('tutor local stop lernito')
      const { ExitCode, OOMKilled } = await inspect(await site.container('lernito'))
      assert.deepEqual({ ExitCode, OOMKilled }, { ExitCode: 0, OOMKilled: false })
      await site.keepLog()
    })

    test('removed with the commands of the README, it leaves a site without it', async () => {
      await site.shell(tutorGuide.remove)
      assert.equal(await site.container('lernito'), '')
      await within(30, 'the LMS', async () => {
        return (await unsigned()).status === 404 || undefined
      })
    })
  })
}
