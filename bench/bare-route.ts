import { fastify } from 'fastify'

/** A Fastify route that only reads the body and answers 202: the cost of the framework. */
const app = fastify()
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
app.post('/*', async (_request, reply) =>
  reply.code(202).send({ success: true, message: 'Enrollment in 1 course(s) accepted' }),
)
const url = await app.listen({ host: '127.0.0.1', port: 0 })
process.stdout.write(`The bare route is at ${url} \n`)
