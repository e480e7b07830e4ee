import { createServer } from 'node:http'
import { parseArgs } from 'node:util'

/**
 * A server that models the cost of the original plugin: each webhook occupies one of two workers for `--ms`, first come,
 * first served, and is then answered. It computes when a worker is free, so that a late timer costs no time. It reads
 * and checks nothing, so apart from the LMS's work it is faster than the original.
 */
const { values } = parseArgs({ options: { ms: { type: 'string' } } })
const costMs = Number(values.ms)
if (!(costMs > 0)) throw new Error('--ms must be the time that a webhook occupies a worker')
const freeAt: [number, number] = [0, 0]

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    const worker = freeAt[0] <= freeAt[1] ? 0 : 1
    const now = performance.now()
    freeAt[worker] = Math.max(now, freeAt[worker]) + costMs
    const answer = JSON.stringify({ success: true, message: 'User successfully enrolled in 1 course(s)' })
    setTimeout(() => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
      response.end(answer)
    }, freeAt[worker] - now)
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  process.stdout.write(`The model of the original is at http://127.0.0.1:${address.port} \n`)
})
