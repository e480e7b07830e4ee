import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { type Answered, DEMO, exchange, type Product, signed, startProduct } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'

// The recordings test missing fields, types, lengths and some hundred addresses and keys. test/lms tests what an
// address or a key may do to the LMS.

for (const { kind, lms } of LMS_KINDS) {
  describe(`fields, at ${kind}`, () => {
    let product: Product
    before(async () => {
      product = await startProduct({ lms })
    })
    after(() => product.stop())
    beforeEach(() => product.lms.reset())

    const sell = async (fields: Record<string, unknown>): Promise<Answered & { message: unknown }> => {
      const sale = { email: 'buyer@example.com', name: 'N', family: 'F', username: 'u', courseIds: [DEMO], ...fields }
      const body = JSON.stringify(sale)
      const answered = await exchange({ url: product.webhook, headers: signed(body), body })
      return { ...answered, message: JSON.parse(answered.text).message }
    }
    /** The enrollments and allowances since the beginning, as "address course". */
    const gained = async (): Promise<string[]> => {
      const { allowances, enrollments } = await product.lms.state()
      const first = new Set(atFirst)
      return [...allowances, ...enrollments]
        .map(({ email, course }) => `${email} ${course}`)
        .filter((row) => !first.has(row))
    }
    let atFirst: string[] = []
    before(async () => {
      await product.lms.reset()
      const { allowances, enrollments } = await product.lms.state()
      atFirst = [...allowances, ...enrollments].map(({ email, course }) => `${email} ${course}`)
    })

    const REFUSED: Readonly<Record<string, string>> = {
      'a line break': 'a@example.com\r\nBcc: b@example.com',
      'a line break between two addresses': 'a@example.com\nb@example.com',
      'a comma between two addresses': 'a@example.com,b@example.com',
      'a semicolon between two addresses': 'a@example.com;b@example.com',
      'a space between two addresses': 'a@example.com b@example.com',
      'a name around it': 'A <a@example.com>',
      'a NUL': 'a\0@example.com',
      'a NUL behind it': 'a@example.com\0',
      'a mark that turns the direction': 'a\u202e@example.com',
      'a space without width': 'a\u200b@example.com',
      'a homoglyph before the @': 'аlice@example.com',
      'a script in quotes': '"<script>alert(1)</script>"@example.com x',
      'a path': '../../users/1',
      'a lone surrogate': 'a\ud800@example.com',
    }
    for (const [name, email] of Object.entries(REFUSED)) {
      test(`an e-mail address with ${name} gets 400, and nobody is enrolled`, async () => {
        const { status, message } = await sell({ email })
        assert.equal(status, 400)
        assert.ok(JSON.stringify(message).includes('Enter a valid email address.'), JSON.stringify(message))
        assert.deepEqual(await gained(), [])
      })
    }

    // A comma, a quote or a space would split one person into two in bulk_enroll's list.
    const TAKEN: Readonly<Record<string, readonly [sent: string, stored: string]>> = {
      'a comma in quotes': ['"a,b"@example.com', '"a,b"@example.com'],
      'another address in quotes': ['"a@evil.example,"@example.com', '"a@evil.example,"@example.com'],
      capitals: ['ALICE.New@EXAMPLE.com', 'ALICE.New@EXAMPLE.com'],
      'an apostrophe': ["o'neil@example.com", "o'neil@example.com"],
      'letters of SQL': ["a'or'1'='1@example.com", "a'or'1'='1@example.com"],
      'percent and underscore': ['%_%@example.com', '%_%@example.com'],
      'plus and hash': ['a+b#c@example.com', 'a+b#c@example.com'],
      'a question mark and a slash': ['a?b=c/d@example.com', 'a?b=c/d@example.com'],
      'an ampersand': ['a&is_active=true@example.com', 'a&is_active=true@example.com'],
      'an international domain': ['a@exämple.example', 'a@exämple.example'],
      'a homoglyph in the domain, which is another domain': ['a@ехample.com', 'a@ехample.com'],
      'space around it': [' \t a@example.com \n', 'a@example.com'],
      '254 characters': [`${'a'.repeat(242)}@example.com`, `${'a'.repeat(242)}@example.com`],
    }
    for (const [name, [email, stored]] of Object.entries(TAKEN)) {
      test(`an e-mail address with ${name} is one person, and only this person gets the course`, async () => {
        const { status } = await sell({ email })
        assert.equal(status, 200)
        assert.deepEqual(await gained(), [`${stored} ${DEMO}`])
      })
    }

    for (const [name, text] of Object.entries({
      'marks that turn the direction': '\u202eevil\u202c \u2066x\u2069 \u200f',
      'an emoji of seven code points': '👨\u200d👩\u200d👧\u200d👦',
      HTML: '<script>alert(1)</script><img src=x onerror=alert(1)>',
      'a formula': '=cmd|"/c calc"!A1',
      'escapes of a terminal': '\u001b[2J\u001b]0;evil\u0007',
      'line breaks': 'a\r\nb\u2028c\u0085d',
      'a template': '{{7*7}}#{7*7}<%= 7*7 %>',
      'letters of SQL': "Robert'); DROP TABLE deliveries;--",
    })) {
      test(`a name, a family name and a username with ${name} are accepted and have no effect`, async () => {
        const { status } = await sell({ name: text, family: text, username: text })
        assert.equal(status, 200)
        assert.deepEqual(await gained(), [`buyer@example.com ${DEMO}`])
      })
    }

    test('a NUL in a name gets 400', async () => {
      const { status, message } = await sell({ name: 'a\0b' })
      assert.deepEqual([status, message], [400, { name: ['Null characters are not allowed.'] }])
    })

    const KEYS = ['course-v1:a+b+..', '../../../admin', '..', 'course-v1:..+..+..', 'course-v1:a+b+c/../../users']
    KEYS.push('%2e%2e%2f', `${DEMO}%2f..`, `${DEMO}?username=admin`, `${DEMO}#x`, `${DEMO};x`, 'course-v1:a b+c+d')
    KEYS.push(`${DEMO}\n`, `${DEMO}\r\nX: y`, `${DEMO},course-v1:Lernito+PY101+2026`, `${DEMO} ${DEMO}`, `${DEMO}\0`)
    KEYS.push(
      'library-v1:edX+L',
      'lib:edX:L',
      `block-v1:edX+DemoX+Demo_Course+type@a+block@b`,
      '__proto__',
      'constructor',
    )
    KEYS.push('http://evil.example/', '//evil.example/', 'course-v1:еdX+DemoX+Demo_Course', '<script>', "' or 1=1 --")
    for (const key of KEYS) {
      test(`the course key ${JSON.stringify(key)} gets 400 or means the course that it names, and reaches no other`, async () => {
        const { status, message } = await sell({ courseIds: [DEMO, key] })
        const means = await gained()
        if (status === 200) assert.deepEqual([key.trim(), means], [DEMO, [`buyer@example.com ${DEMO}`]])
        else
          assert.deepEqual([status, means, typeof message === 'string' || typeof message === 'object'], [400, [], true])
        const paths = (await product.lms.calls()).map(({ path }) => path)
        assert.ok(
          paths.every((path) => path.startsWith('/api/') || path.startsWith('/oauth2/') || path === '/heartbeat'),
        )
      })
    }

    test('with a known and an unknown course, nobody is enrolled in either, whichever comes first', async () => {
      for (const courseIds of [
        [DEMO, 'course-v1:No+Such+Course'],
        ['course-v1:No+Such+Course', DEMO],
      ]) {
        const { status, message } = await sell({ courseIds })
        assert.deepEqual([status, message], [400, 'Course course-v1:No+Such+Course does not exist'])
      }
      assert.deepEqual(await gained(), [])
    })
  })
}
