import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { exchange, startProduct } from '../harness.ts'

const TIMES = 40

/** Sends bytes that are not HTTP, and waits until the service closes the connection. */
async function sendNonsense(url: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname, () => socket.write('nonsense\r\n\r\n'))
  socket.resume()
  await once(socket, 'close')
}

test('a flood of refusals gets a few log lines and one summary, for webhooks and for other requests apart', async () => {
  const product = await startProduct()
  const headers = { 'content-type': 'application/json' }
  for (let i = 0; i < TIMES; i++) {
    await exchange({ url: product.webhook, headers, body: '{}' })
    await exchange({ url: `${product.url}/.env`, method: 'GET' })
    await sendNonsense(product.url)
  }
  const { text } = await exchange({ url: `${product.url}/metrics`, method: 'GET' })
  await product.stop()
  const count = (msg: string): number => product.log.filter((line) => line.msg === msg).length
  assert.equal(count('webhook refused'), 5)
  assert.equal(count('request refused'), 5)
  const floods = product.log.filter(({ level, msg }) => level === 'warn' && /^refused /.test(String(msg)))
  assert.deepEqual(
    floods.map(({ address, refused, msg }) => [address, refused, msg]),
    [
      ['127.0.0.1', 80, 'refused 80 requests from 127.0.0.1 in the last minute: not_found 40, malformed 40'],
      ['127.0.0.1', 40, 'refused 40 webhooks from 127.0.0.1 in the last minute: signature 40'],
    ],
  )
  assert.match(text, /^lernito_webhook_refused_total\{reason="signature"\} 40$/m)
})
