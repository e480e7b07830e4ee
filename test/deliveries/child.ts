import { openDatabase } from '../../src/deliveries/database.ts'
import { createIds } from '../../src/deliveries/ids.ts'
import { migrate } from '../../src/deliveries/migrations.ts'
import { createStore } from '../../src/deliveries/store.ts'
import { accepted, arrival } from './harness.ts'

/**
 * A process of its own for tests: `child.ts MODE URL`. `migrate` migrates as soon as a line comes in, `serve` stores a
 * delivery as the replica "dead" and then holds the database until it is killed. Both print a line when they are ready.
 */
const [mode, url = ''] = process.argv.slice(2)
const now = Date.now

if (mode === 'migrate') {
  process.stdout.write('ready\n')
  await new Promise((resolve) => process.stdin.once('data', resolve))
  process.stdin.destroy()
  const { db, close } = openDatabase({ url, serve: false })
  await migrate({ db, now })
  await close()
}

if (mode === 'serve') {
  const { db } = openDatabase({ url, serve: true })
  await migrate({ db, now })
  const store = createStore({ db, me: 'dead', now, newId: createIds({ now }) })
  await store.write([accepted(arrival())])
  process.stdout.write('ready\n')
  process.stdin.resume()
}
