import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allTokensOf, phrasesOf, textOfWords, tokensOf, wordsOf } from '../../src/words/words.ts'

test('a word has letters and digits only, in lower case and without accents', () => {
  assert.deepEqual(wordsOf('José.Núñez+2@Example.com'), ['jose', 'nunez', '2', 'example', 'com'])
  assert.deepEqual(wordsOf('course-v1:ExampleX+Demo+2026'), ['course', 'v1', 'examplex', 'demo', '2026'])
  assert.deepEqual(wordsOf('İpek Łoś 李小龍'), ['ipek', 'łos', '李小龍'])
  assert.deepEqual(wordsOf(' -@- '), [])
})

test('the text of the words has a line for each field, and is bounded', () => {
  assert.equal(
    textOfWords(['maria@example.com', 'Maria García', 'maria', undefined, 'Maria']),
    [' maria example com ', ' maria garcia ', ' maria '].join('\n'),
  )
  const fields = Array.from({ length: 9 }, (_, i) => `${'x'.repeat(200)}${i}`)
  assert.equal(textOfWords(fields).length, 1000)
})

test('the index holds at most 16 words of a delivery, each of at most 32 characters, and none that most have', () => {
  const tokens = tokensOf(textOfWords(['a@b.com', Array.from({ length: 40 }, (_, i) => `w${i}`).join(' ')]))
  assert.equal(tokens.length, 16)
  assert.deepEqual(tokens.slice(0, 3), ['a', 'b', 'w0'])
  assert.deepEqual(tokensOf(textOfWords(['𝒜'.repeat(9), '𐐷'.repeat(40)])), ['aaaaaaaaa', '𐐷'.repeat(32).toLowerCase()])
  assert.ok(allTokensOf(' com ').includes('com'))
})

const whole = (text: string) => ({ text, isWhole: true })
const beginning = (text: string) => ({ text, isWhole: false })

test('a phrase begins at a word, and in a course key anywhere unless a separator comes first', () => {
  assert.deepEqual(phrasesOf('X+Demo'), [
    { text: ' x demo', fragment: 'x demo', tokens: [whole('x'), beginning('demo')] },
  ])
  assert.deepEqual(phrasesOf('@example.com'), [
    { text: ' example com', fragment: ' example com', tokens: [whole('example')] },
  ])
  assert.deepEqual(phrasesOf('lost@ -'), [{ text: ' lost ', fragment: 'lost ', tokens: [whole('lost')] }])
  assert.deepEqual(phrasesOf('com')[0]?.tokens, [beginning('com')])
  assert.equal(phrasesOf('a b c d e f g h i').length, 6)
})
