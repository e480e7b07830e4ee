import { test } from 'node:test'
import { watchedLog } from '../log-watch.ts'

/** A test that passes, of a service that logs its secret: run by log-watch.test.ts, which wants to see it fail. */
const env = { LERNITO_WEBHOOK_SECRET: 'a-secret-of-this-shop' }
const { log } = watchedLog({ level: 'info', env })

test('something unrelated', () => {
  log.info({ detail: process.env.LEAK === 'yes' ? `signed with ${env.LERNITO_WEBHOOK_SECRET}` : 'signed' }, 'received')
})
