import assert from 'node:assert/strict'
import { operator, type WithConsole } from '../console/harness.ts'
import { DEMO, exchange } from '../harness.ts'
import { until } from '../service/process.ts'

/** As long as an address can be, and without a place where a browser likes to break a line. */
export const LONG_ADDRESS = `${'a'.repeat(64)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(48)}.example`
export const LONG_COURSE = `course-v1:Lernito+${'Missing'.repeat(25)}+2026`
const LONG_WORD = 'Donaudampfschifffahrt'.repeat(12)

export type Sold = Awaited<ReturnType<typeof sellEverything>>

/** Makes a delivery in each state but queued, with long texts, and something for each page of the console to show. */
export async function sellEverything(product: WithConsole) {
  const someone = await operator(product)
  const sell = (email: string, courseIds = [DEMO], name = LONG_WORD): Promise<string> =>
    product.idOf(email, courseIds, name)
  const change = async (path: string, form: Record<string, string>): Promise<string> => {
    const { status, location, text } = await someone.send(path, form)
    assert.equal(status, 303, text)
    return location
  }
  const states = {
    enrolled: await sell('alice@example.com'),
    pre_enrolled: await sell(LONG_ADDRESS),
    needs_attention: await sell(`lost.${LONG_ADDRESS.slice(5)}`, [LONG_COURSE, DEMO]),
    rejected: await sell(`${LONG_WORD} at example.com`),
    handled: await sell('handled@example.com', [LONG_COURSE]),
    withdrawn: await sell('leaves@example.com'),
  }
  await change(`/deliveries/${states.handled}/handled`, { as: 'paid_back', note: `refunded ${LONG_WORD}` })
  await change(`/deliveries/${states.withdrawn}/withdraw`, { course: DEMO })
  const page = `/deliveries/${states.withdrawn}`
  await until('the withdrawal', async () => /class="state withdrawn"/.test((await someone.see(page)).text) || undefined)
  const failed = await sell('again@example.com', [LONG_COURSE])
  const replay = (await change('/replay', { q: 'again@' })).split('/').at(-1) ?? ''
  await until(
    'the replay',
    async () => /All failed again/.test((await someone.see(`/replays/${replay}`)).text) || undefined,
  )
  const email = 'forgotten@example.com'
  await sell(email)
  assert.match((await someone.send('/people/forget', { email, confirm: email })).text, /Deliveries erased: 1/)
  const headers = {
    'content-type': 'application/json',
    'x-lernito-signature': 'ab'.repeat(32),
    'user-agent': LONG_WORD,
  }
  await exchange({ url: product.webhook, headers, body: '{}' })
  return { states, failed, replay, sell, someone }
}
