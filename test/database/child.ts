import { openDatabase } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrations/migrations.ts'
import { accepted, arrival, joined } from '../queue/harness.ts'

/**
 * A separate process for tests: `child.ts MODE URL`. `migrate` migrates when it reads a line; `serve` stores a
 * delivery as the replica "dead" and then holds the database until it is killed. Both print a line once they are ready.
 */
const [mode, url = ''] = process.argv.slice(2)
const now = Date.now

if (mode === 'migrate') {
  process.stdout.write('ready\n')
  await new Promise((resolve) => process.stdin.once('data', resolve))
  process.stdin.destroy()
  const database = openDatabase({ url, serve: false })
  await migrate({ database, now })
  await database.close()
}

if (mode === 'serve') {
  const database = openDatabase({ url, serve: true })
  await migrate({ database, now })
  const { store } = await joined({ database, me: 'dead', now })
  await store.write([accepted(arrival())])
  process.stdout.write('ready\n')
  process.stdin.resume()
}
