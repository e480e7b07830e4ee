import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { DEMO, exchange, signed } from '../harness.ts'
import { linksOf, operator, readable, startWithConsole } from './harness.ts'

const MISSING = 'course-v1:No+Such+Course'
const PYTHON = 'course-v1:Lernito+PY101+2026'
const ACCOUNTS = '/api/user/v1/accounts'
let ahead = 0
const now = (): number => Date.now() + ahead
const product = await startWithConsole({ now, lms: { now } })
after(() => product.stop())
const someone = await operator(product, now)
const { idOf } = product
const { read } = someone

describe('the page of a person', () => {
  const accounts: [email: string, words: RegExp][] = [
    ['newcomer@example.com', /No account in the LMS Nobody has registered with this address/],
    ['bob@example.com', /Registered in the LMS, but not activated .* Username: bob_inactive · in the LMS/],
    ['alice@example.com', /Active account in the LMS The buyer can sign in .* Username: alice · in the LMS/],
    ['retired@example.com', /Retired account in the LMS The owner had the account deleted/],
    ['josé@example.com', /The account in the LMS has another address .* the account of j\*\*\*@example\.com,/],
  ]
  for (const [email, words] of accounts) {
    test(`shows the account that the LMS has for ${email} now`, async () => {
      const id = await idOf(email)
      assert.match(await read(`/people/${id}`), words)
    })
  }

  test('links to the account in the LMS', async () => {
    const seen = await someone.see(`/people/${await idOf('erin@example.com')}`)
    assert.ok(linksOf(seen).includes(`${product.lmsUrl}/support/enrollment?user=erin`))
  })

  test('says that the buyer’s account has another address now, and check now says it of the sale', async () => {
    const [old, now] = ['moving@example.com', 'moved@example.com']
    await product.lms.people({ email: old, username: 'moving', active: true })
    const id = await idOf(old)
    await product.lms.address({ formerly: old, email: now })
    const page = await read(`/people/${id}`)
    assert.match(
      page,
      /No account in the LMS .*The buyer’s account has another address now .*address is now moved@example\.com/,
    )
    assert.match(page, /Username: moving · in the LMS/)
    assert.doesNotMatch(page, /Copy reply/, 'not to register again')
    await someone.send(`/people/${id}/check`)
    const said = /enrolled.* course mode audit(\.| ·) The buyer’s account has another address now/
    assert.match(await read(`/people/${id}`), said)
    assert.match(await read(`/deliveries/${id}`), /The buyer’s account has another address now/)
    assert.match(await read(`/deliveries/${id}/withdraw`), said)
  })

  test('leads to the sales that the same account bought under another address, from either of them', async () => {
    const [old, now] = ['first@example.com', 'second@example.com']
    await product.lms.people({ email: old, username: 'mover', active: true })
    const before = await idOf(old)
    assert.doesNotMatch(await read(`/people/${before}`), /also bought under another address/)
    await product.lms.address({ formerly: old, email: now })
    const after = await idOf(now)
    const says = /The same account has also bought under another address: (\S+?)\s*, 1 sale/
    for (const [id, email, other] of [
      [before, now, after],
      [after, old, before],
    ] as const) {
      const page = await someone.see(`/people/${id}`)
      assert.equal(says.exec(readable(page))?.[1], email)
      assert.ok(linksOf(page).some((link) => link.endsWith(`/people/${other}`)))
    }
  })

  test('has all sales with their states, newest first, and one timeline whose entries name their sale', async () => {
    const email = 'frank@example.com'
    const enrolled = await idOf(email)
    const lost = await idOf(email.toUpperCase(), [MISSING])
    const handled = await idOf(email, [PYTHON])
    await someone.send(`/deliveries/${handled}/handled`, { as: 'paid_back', note: 'refunded by hand' })
    for (const id of [enrolled, lost, handled]) {
      const text = await read(`/people/${id}`)
      assert.match(
        text,
        new RegExp(`Sales .*Handled .*${handled}.* Needs attention .*${lost}.* Enrolled .*${enrolled}`),
      )
      assert.match(text, /The LMS has no course course-v1:No\+Such\+Course\. .* not enrolled/)
      assert.match(text, /Handled “ ?refunded by hand ?”, paid back by admin at /)
      assert.match(
        text,
        new RegExp(
          `What happened .*Marked as paid back by admin · refunded by hand Delivery ${handled}.*Received .*${lost}.*Enrolled .*${enrolled}.*Received .*${enrolled}`,
        ),
      )
    }
  })

  test('is reached from each delivery of the person and from a search for the whole address, and from no other search', async () => {
    const id = await idOf('grace@example.com')
    const delivery = await someone.see(`/deliveries/${id}`)
    assert.ok(linksOf(delivery).includes(`/lernito/console/people/${id}`))
    const search = await someone.see('/deliveries?q=grace@example.com')
    assert.match(search.text, /action="\/lernito\/console\/people"[\s\S]*name="email" value="grace@example.com"/)
    for (const q of ['grace@', 'grace@example', 'newcomer', DEMO, '']) {
      const { text } = await someone.see(`/deliveries?q=${encodeURIComponent(q)}`)
      assert.doesNotMatch(text, /Show everything about/, q)
    }
    const sent = await someone.send('/people', { email: ' GRACE@example.com ' })
    assert.deepEqual([sent.status, sent.location], [303, `/lernito/console/people/${id}`])
  })

  test('has no address of a person in its own address, its links or the log', async () => {
    const id = await idOf('heidi@example.com')
    const seen = await someone.see(`/people/${id}`)
    const own = linksOf(seen).filter((link) => link.startsWith('/'))
    assert.ok(own.length > 8)
    for (const link of own) assert.doesNotMatch(link, /heidi|@|%40/)
  })

  test('of an address without a sale shows the account and what to do', async () => {
    const seen = await someone.send('/people', { email: 'jose@example.com' })
    assert.equal(seen.status, 200)
    const text = readable(seen)
    assert.match(
      text,
      /Active account in the LMS .* jose .* No sale to this address is stored\. .* look at Refused \. Erase this person…/,
    )
    assert.doesNotMatch(text, /Check now|What happened/)
  })

  test('of an address without a sale lists similar buyers, and does not speak of sales that wait', async () => {
    const similar = await idOf('yolanda.quist@example.com')
    const seen = await someone.send('/people', { email: 'yolanda.quizt@example.com' })
    assert.ok(linksOf(seen).includes(`/lernito/console/deliveries/${similar}`))
    assert.ok(linksOf(seen).includes('/lernito/console/refused'))
    const text = readable(seen)
    assert.match(text, /Similar: .* yolanda\.quist@example\.com .* If none of these is the buyer, search by order/)
    assert.doesNotMatch(text, /A sale that waits/)
  })

  test('of an address without a sale whose account bought under another one leads there, and nowhere else', async () => {
    const [old, now] = ['quentin@example.com', 'quentin.new@example.com']
    await product.lms.people({ email: old, username: 'quentin', active: true })
    await idOf(old)
    await product.lms.address({ formerly: old, email: now })
    const text = readable(await someone.send('/people', { email: now }))
    assert.match(text, /has also bought under another address: quentin@.* No sale to this address is stored\. Erase/)
  })

  test('says that sales take effect only if one waits', async () => {
    const waits = /The sales that wait then take effect/
    const email = 'ursula@example.com'
    const id = await idOf(email)
    await product.lms.people({ email, username: 'ursula', active: false })
    assert.match(await read(`/people/${id}`), waits)
    await someone.send(`/deliveries/${id}/withdraw`, { course: DEMO })
    assert.doesNotMatch(await someone.readUntil(`/people/${id}`, /Withdrawn/), waits)
  })

  test('leads from a replaced sale to its replacement, and says nothing else of it', async () => {
    const id = await idOf('viktor@example.com', [MISSING])
    const form = { step: 'correct', email: 'viktor@example.com', courses: DEMO }
    const { location } = await someone.send(`/deliveries/${id}/correct`, form)
    const next = /deliveries\/(\w+)/.exec(location)?.[1] ?? ''
    const text = await read(`/people/${id}`)
    assert.match(text, new RegExp(`Handled This delivery was replaced by ${next} \\.`))
    assert.doesNotMatch(text, /The LMS has no course/)
    const page = await someone.see(`/deliveries/${id}`)
    assert.match(readable(page), /Replaced by a correction by admin/)
    assert.doesNotMatch(page.text, /id="reply-replyToBuyer"/)
  })

  test('says of a course that the LMS does not have that it was looked for', async () => {
    const id = await idOf('wanda@example.com', [MISSING])
    await someone.send(`/people/${id}/check`)
    const text = await read(`/people/${id}`)
    assert.match(text, /Reported: not enrolled\. no such course/)
    assert.match(text, /Checked in the LMS by admin · the LMS has none of its courses/)
  })

  test('of something that is no whole address asks for one', async () => {
    for (const email of [
      '',
      'alice',
      'alice@',
      'a b@c.example',
      'a@b.example,c@d.example',
      `${'x'.repeat(250)}@example.com`,
    ]) {
      const seen = await someone.send('/people', { email })
      assert.match(readable(seen), /Enter one whole email address/, email)
    }
    assert.match(await read('/people'), /Email address Show the person/)
  })

  test('of a delivery that does not exist, or names no address, gives a 404', async () => {
    const nobody = await idOf('no address')
    for (const id of ['01JBBBBBBBBBBBBBBBBBBBBBBB', 'x', '%00', nobody]) {
      assert.equal((await someone.see(`/people/${id}`)).status, 404, id)
      assert.equal((await someone.send(`/people/${id}/check`)).status, 404, id)
    }
  })

  test('has the right reply about all courses that the account keeps from the person, and none if there is none', async () => {
    const email = 'nina@example.com'
    const [id] = [await idOf(email), await idOf(email, [PYTHON])]
    assert.match(await read(`/people/${id}`), /Copy reply .*Hello New, Thanks for .* create an account/)
    await product.lms.people({ email, username: 'nina', active: false })
    const text = await read(`/people/${id}`)
    assert.match(
      text,
      /not activated .* Copy reply .*Thanks for .* (Python 101|\S*PY101\S*) and (Demonst|course).*You have registered/,
    )
    assert.doesNotMatch(text, /create an account/)
    assert.doesNotMatch(await read(`/people/${await idOf('alice@example.com')}`), /Copy reply/)
    assert.match(await read(`/people/${await idOf('bob@example.com')}`), /Copy reply .*the account isn’t activated yet/)
    assert.doesNotMatch(await read(`/people/${await idOf('unsold@example.com', [MISSING])}`), /Copy reply/)
  })

  test('checks all sales at once, and stores what it finds with who asked', async () => {
    const email = 'waits@example.com'
    const [demo, python] = [await idOf(email), await idOf(email, [PYTHON])]
    await product.lms.people({ email, username: 'waits', active: false })
    await product.lms.activate(email)
    const sent = await someone.send(`/people/${demo}/check`)
    assert.equal(sent.location, `/lernito/console/people/${demo}?done=checked`)
    const text = await read(`/people/${python}?done=checked`)
    assert.match(text, /Checked in the LMS\. The sales below/)
    assert.equal(text.match(/enrolled course mode audit · checked/g)?.length, 2)
    assert.equal(text.match(/Checked in the LMS by admin/g)?.length, 2)
  })

  test('shows hostile text as text', async () => {
    const email = '"<img/src=x/onerror=alert(1)>"@example.com'
    const mark = '<img src=x onerror=alert(1)><script>alert(2)</script>'
    const body = JSON.stringify({ email, name: mark, family: mark, username: mark, courseIds: [mark] })
    const answered = await exchange({ url: product.webhook, headers: signed(body), body })
    const pages = [
      await someone.see(`/people/${answered.headers['x-lernito-delivery']}`),
      await someone.see(`/deliveries?q=${encodeURIComponent(email)}`),
      await someone.send('/people', { email: '"<script>alert(1)</script>"@x.example' }),
      await someone.send('/people', { email: `${mark}@x.example` }),
      await someone.send('/people/forget', { email }),
      await someone.send('/people/forget', { email, confirm: mark }),
    ]
    for (const { status, text } of pages) {
      assert.equal(status, 200)
      assert.doesNotMatch(text, /<img|<script>/)
      assert.match(text, /&#60;(img|script)/)
    }
  })
})

describe('while the LMS is down', () => {
  test('the page shows what is stored, says that the LMS can’t be asked, and works even for an operator whom the LMS can’t confirm', async () => {
    const id = await idOf('oleg@example.com')
    await product.lms.faults([{ status: 503 }])
    assert.match(
      await read(`/people/${id}`),
      /The LMS can’t be asked now .*503.* Sales .* Waiting for buyer .* What happened/,
    )
    const checked = await someone.send(`/people/${id}/check`)
    assert.ok(checked.location.endsWith('?done=unchecked'))
    ahead += 70 * 60_000
    assert.match(await someone.readUntil(`/people/${id}`, /cannot confirm/), /Sales .* Waiting for buyer/)
    assert.equal(
      (await someone.send('/people', { email: 'oleg@example.com' })).location,
      `/lernito/console/people/${id}`,
    )
    assert.equal((await someone.send('/people', { email: 'nobody@example.com' })).status, 200)
    assert.equal((await someone.send('/people/forget', { email: 'oleg@example.com' })).status, 503)
    await product.lms.noFaults()
  })

  test('an LMS that does not answer delays the page for some seconds only', async (t) => {
    const held = Promise.withResolvers<void>()
    const sleep = async (ms: number): Promise<void> => (ms === 0 ? undefined : held.promise)
    const slow = await startWithConsole({ lms: { sleep } })
    t.after(async () => {
      held.resolve()
      await slow.stop()
    })
    const staff = await operator(slow)
    const sold = await slow.sell({ email: 'alice@example.com' })
    await slow.lms.faults([{ path: ACCOUNTS, method: 'GET', delayMs: 1 }])
    const seen = await staff.see(`/people/${sold.headers['x-lernito-delivery']}`)
    assert.match(readable(seen), /The LMS can’t be asked now The LMS did not answer in time\. .* Sales .* Enrolled/)
  })
})

test('the title of a page names the page above it, so that the tabs of a sale and of its buyer differ', async () => {
  const { headers } = await product.sell({ email: 'titles@example.com' })
  const titleOf = async (path: string): Promise<string> =>
    /<title>(.*)<\/title>/.exec((await someone.see(path)).text)?.[1] ?? ''
  const id = String(headers['x-lernito-delivery'])
  assert.equal(await titleOf('/'), 'Overview · Lernito enrollments')
  assert.equal(await titleOf(`/deliveries/${id}`), 'New Comer · Deliveries · Lernito enrollments')
  assert.equal(await titleOf(`/people/${id}`), 'New Comer · People · Lernito enrollments')
})
