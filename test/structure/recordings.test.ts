import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { compactRecording } from '../../scripts/compact-recordings.ts'

const ROOT = join(import.meta.dirname, '../..')

test('recordings have one exchange a line; npm run format writes them so', () => {
  const files = globSync('test/recordings/**/*.json', { cwd: ROOT })
  assert.ok(files.length > 20)
  const others = files.filter((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8')
    return compactRecording(text) !== text
  })
  assert.deepEqual(others, [])
})

test('only the white space between the parts of a recording changes', () => {
  const text = '{ "a" : "b \\" , c", "list": [ {"n": 1.00, "n": 1e3} , {"s": "\\u00e4 [{"} ] }'
  const compact = '{\n"a":"b \\" , c",\n"list":[\n{"n":1.00,"n":1e3},\n{"s":"\\u00e4 [{"}\n]\n}\n'
  assert.equal(compactRecording(text), compact)
  assert.equal(compactRecording(compact), compact)
})
