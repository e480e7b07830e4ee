import assert from 'node:assert/strict'
import { readFileSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { ROOT, start, temporaryFolder, until } from '../process.ts'

/** Logs each line of standard input, and tells standard error of it. */
const PROGRAM = `
  import { createInterface } from 'node:readline'
  import { createLog } from '${join(ROOT, 'src/service/telemetry/log.ts')}'
  const log = createLog({ level: 'info' })
  for await (const line of createInterface({ input: process.stdin })) {
    log.info(line)
    process.stderr.write('logged ')
  }
`
/** 8 blocks of 512 bytes: a larger write fails as on a full disk. */
const ROOM = 4096

/** A process whose log is a file, with room for a few lines. */
function logging(t: TestContext) {
  const file = join(temporaryFolder(t), 'log')
  const limited = ['sh', '-c', `ulimit -f ${ROOM / 512} && exec "$0" "$@" >>${file}`, process.execPath] as const
  const input = new PassThrough()
  const { child, ended } = start({ t, command: limited, args: ['--input-type=module', '--eval', PROGRAM], input })
  let told = ''
  child.stderr?.on('data', (text) => {
    told += text
  })
  let written = 0
  const say = async (line: string): Promise<void> => {
    input.write(`${line}\n`)
    written++
    await until('the log call', () => (told.split('logged').length > written ? true : undefined))
  }
  return {
    file,
    say,
    fill: async (): Promise<void> => {
      for (let i = 0; i < 60; i++) await say('x'.repeat(400))
      assert.ok(statSync(file).size <= ROOM)
    },
    end: () => {
      input.end()
      return ended
    },
  }
}

test('with its log on a full disk, a process goes on, and logs again once there is room', async (t) => {
  const { file, say, fill, end } = logging(t)
  await fill()
  truncateSync(file)
  for (let i = 0; !readFileSync(file, 'utf8').includes('room again'); i++) {
    assert.ok(i < 200, 'the log never went on')
    truncateSync(file)
    await say('room again')
  }
  assert.equal((await end()).code, 0)
})

test('with its log on a full disk, a process can end', async (t) => {
  const { fill, end } = logging(t)
  await fill()
  assert.equal((await end()).code, 0)
})
