import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatJson } from '../../src/console/pages/deliveries/delivery-facts.ts'

test('JSON is indented, and every token stays as the sender wrote it', () => {
  const sent = '{"a":[1.0,2e3,"x: {\\"}, [\\u00e9"],"b":{},"c":[],"d":{"e":null}}'
  assert.equal(
    formatJson(sent),
    `{
  "a": [
    1.0,
    2e3,
    "x: {\\"}, [\\u00e9"
  ],
  "b": {},
  "c": [],
  "d": {
    "e": null
  }
}`,
  )
})

test('a text that is no JSON, or is cut, keeps all of its words', () => {
  for (const sent of ['plain words', '{"a": "cut', '}}}', '"', '{"a" 1 2', '']) {
    assert.equal(formatJson(sent).replace(/\s/g, ''), sent.replace(/\s/g, ''))
  }
})

test('100 KB of brackets are formatted without a deeper and deeper indentation', () => {
  assert.ok(formatJson('['.repeat(100_000)).length < 10_000_000)
})
