import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDocument, tables } from './documents.ts'

test('the page of releases names the Tutor versions that the plugin is tested with', () => {
  const [rows = []] = tables(readDocument('docs/reference/releases.md'))
  const named = rows.flatMap(([, , , plugin = '']) => plugin.match(/\d+\.\d+\.\d+(?:\.dev\d+)?/g) ?? [])
  const listed = readDocument('deploy/tutor/tests/requirements/tutor-versions.txt')
  const rendered = [...listed.matchAll(/^(\d+\.\d+\.\d+(?:\.dev\d+)?) /gm)].map(([, version]) => version)
  assert.ok(rendered.length >= 4)
  assert.deepEqual(named, rendered)
})

test('the page names the Node.js of the package, the MySQL of the Compose file and the nginx of the guide', () => {
  const [, rows = []] = tables(readDocument('docs/reference/releases.md'))
  const versions = new Map(rows.map(([program = '', text = '']) => [program, text]))
  const [, node = ''] = /"node": ">=(\d+)"/.exec(readDocument('package.json')) ?? []
  const [, mysql = ''] = /image: mysql:([\d.]+)/.exec(readDocument('deploy/docker/compose.yaml')) ?? []
  assert.ok(versions.get('Node.js')?.startsWith(`${node} or newer`))
  assert.ok(versions.get('MySQL')?.startsWith(`${mysql} comes with`))
  assert.ok(
    readDocument('docs/how-to/install.md').includes(
      /nginx [\d.]+ or newer/.exec(versions.get('proxies') ?? '')?.[0] ?? '-',
    ),
  )
})
