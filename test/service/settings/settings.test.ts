import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { rootCertificates } from 'node:tls'
import { AppError } from '../../../src/service/lib/errors.ts'
import { readSettings, SETTINGS, SETTINGS_SCHEMA } from '../../../src/service/settings/settings.ts'
import { warningsFor } from '../../../src/service/settings/warnings.ts'

const GOOD = {
  LERNITO_WEBHOOK_SECRET: 'a-secret-of-this-shop-alone',
  LERNITO_LMS_URL: 'https://lms.example.com',
  LERNITO_LMS_CLIENT_ID: 'lernito',
  LERNITO_LMS_CLIENT_SECRET: 'of-the-lms',
}
type Env = Readonly<Record<string, string | undefined>>

/** The settings of an environment, and the warnings about them. */
function readAll(env: Env) {
  const settings = readSettings({ env, schema: SETTINGS_SCHEMA })
  return { settings, warnings: warningsFor({ env, settings }) }
}
const read = (env: Env) => readAll({ ...GOOD, ...env })

/** The lines of the error; none if the settings are valid. */
function refusal(env: Env): string[] {
  try {
    readAll(env)
    return []
  } catch (error) {
    assert(error instanceof AppError)
    assert.equal(error.code, 'settings.invalid')
    return error.message.split('\n')
  }
}

async function secretFile(t: TestContext, content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lernito-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'secret')
  await writeFile(file, content)
  return file
}

test('the required settings are enough, and the others have the documented defaults', () => {
  const { settings, warnings } = readAll({ ...GOOD, PATH: '/bin', LERNITO: 'no prefix' })
  assert.deepEqual(warnings, [])
  assert.deepEqual(settings, {
    ...GOOD,
    LERNITO_LMS_CALLS_PER_MINUTE: 110,
    LERNITO_LMS_CONCURRENCY: 2,
    LERNITO_EMAIL_STUDENTS: false,
    LERNITO_DATABASE_URL: 'sqlite:./data/lernito.db',
    LERNITO_HOST: '127.0.0.1',
    LERNITO_PORT: 8790,
    LERNITO_TRUSTED_PROXIES: 0,
    LERNITO_ANSWER_WITHIN_MS: 8000,
    LERNITO_REFUNDS: false,
    LERNITO_DRAIN_MS: 0,
    LERNITO_RETENTION_DAYS: 90,
    LERNITO_OUTCOMES: 'off',
    LERNITO_LOG_LEVEL: 'info',
  })
})

test('each required setting is named in an error if it is missing or empty', () => {
  const needed = SETTINGS.filter(({ required }) => required).map(({ name }) => name)
  assert.deepEqual(needed, Object.keys(GOOD))
  for (const missing of needed) {
    for (const value of [undefined, '']) {
      const lines = refusal({ ...GOOD, [missing]: value })
      assert.equal(lines.length, 1)
      assert.match(lines[0] ?? '', new RegExp(`^${missing} is missing\\. Set it to .+\\.$`))
    }
  }
})

const WRONG = [
  {
    name: 'LERNITO_PORT',
    texts: ['-1', '65536', '80a', '1.5', '0x50', ' 80', '99999999999'],
    says: 'must be a whole number from 0 to 65535.',
  },
  {
    name: 'LERNITO_HOST',
    texts: ['[::1]', '0.0.0.0:8790', 'localhost:8790', 'http://localhost'],
    says: 'must be an address such as 127.0.0.1 or ::, or a host name, without brackets and without a port.',
  },
  { name: 'LERNITO_LMS_CONCURRENCY', texts: ['0', '33'], says: 'must be a whole number from 1 to 32.' },
  { name: 'LERNITO_ANSWER_WITHIN_MS', texts: ['120001'], says: 'must be a whole number from 0 to 120000.' },
  {
    name: 'LERNITO_LMS_URL',
    texts: ['lms.example.com', 'ftp://lms.example.com', '/lms'],
    says: 'must be a URL that begins with https:// or http://, such as https://host.example.com.',
  },
  {
    name: 'LERNITO_PUBLIC_URL',
    texts: ['lernito.example.com'],
    says: 'must be a URL that begins with https:// or http://, such as https://host.example.com.',
  },
  {
    name: 'LERNITO_LMS_URL',
    texts: ['https://me@lms.example.com', 'https://lms.example.com/?a=b'],
    says: 'must be a plain address without user name, ? or #.',
  },
  {
    name: 'LERNITO_DATABASE_URL',
    texts: [
      './data/lernito.db',
      'sqlite:',
      'mysql://db/lernito',
      'mysql://lernito:secret@db',
      'mysql://lernito:secret@db/a/b',
      'mysql://lernito:a%b@db/lernito',
      'mysql://lernito:%FF@db/lernito',
      'mysql://%C3:secret@db/lernito',
      'mysql://lernito:secret@db/%FF',
      'mysql://lernito:a#b@db/lernito',
      'mysql://lernito:secret@db/lernito?ssl=true',
      'postgres://lernito:secret@db/lernito',
    ],
    says: 'must be sqlite: and a path, for example sqlite:./data/lernito.db, or mysql://user:password@host:port/name with special characters of the password written as %XX, and nothing but ?tls=verify or ?tls=off after it.',
  },
  {
    name: 'LERNITO_DATABASE_URL',
    texts: ['require', 'on', '', 'verify&ssl=true', 'off#'].map(
      (tls) => `mysql://lernito:secret@db/lernito?tls=${tls}`,
    ),
    says: 'has a value of tls other than verify or off. End it with ?tls=verify, or with ?tls=off inside your own network.',
  },
  { name: 'LERNITO_LOG_LEVEL', texts: ['loud', 'INFO'], says: 'must be debug, info, warn or error.' },
]

test('each wrong setting gets one line that names it and says what to write', () => {
  for (const { name, texts, says } of WRONG) {
    for (const text of texts) assert.deepEqual(refusal({ ...GOOD, [name]: text }), [`${name} ${says}`], text)
  }
})

test('several wrong settings are reported at once, each on one line', () => {
  const lines = refusal({ LERNITO_WEBHOOK_SECRET: '123456', LERNITO_LMS_URL: 'x', LERNITO_PORT: 'y' })
  const wanted = [...Object.keys(GOOD), 'LERNITO_PORT']
  assert.deepEqual(
    lines.map((line) => line.split(' ')[0]),
    wanted,
  )
})

test('the limits themselves are allowed', () => {
  const { settings } = read({ LERNITO_PORT: '0', LERNITO_LMS_CONCURRENCY: '32', LERNITO_ANSWER_WITHIN_MS: '120000' })
  const { LERNITO_PORT, LERNITO_LMS_CONCURRENCY, LERNITO_ANSWER_WITHIN_MS } = settings
  assert.deepEqual([LERNITO_PORT, LERNITO_LMS_CONCURRENCY, LERNITO_ANSWER_WITHIN_MS], [0, 32, 120_000])
  assert.equal(read({ LERNITO_PORT: '65535', LERNITO_ANSWER_WITHIN_MS: '0' }).settings.LERNITO_PORT, 65_535)
})

for (const name of ['LERNITO_WEBHOOK_SECRET', 'LERNITO_WEBHOOK_SECRET_PREVIOUS']) {
  test(`${name}: samples and very short secrets are refused, and short ones get a warning`, () => {
    for (const text of ['YOUR_SECRET', 'your_webhook_secret', 'Your_Webhook_Secret']) {
      assert.match(refusal({ ...GOOD, [name]: text }).join('\n'), new RegExp(`^${name} is a sample.*openssl.*\\.$`))
    }
    for (const text of ['123456', 'seven77']) {
      assert.match(refusal({ ...GOOD, [name]: text }).join('\n'), new RegExp(`^${name} is too short.*openssl.*\\.$`))
    }
    for (const text of ['eight888', 'fifteen-letters']) {
      const { warnings } = read({ [name]: text })
      assert.equal(warnings.length, 1)
      assert.match(warnings[0] ?? '', new RegExp(`^${name} is shorter than 16 characters`))
    }
    assert.deepEqual(read({ [name]: 'sixteen-letters!' }).warnings, [])
    assert.match(read({ [name]: 'a-secret-of-this-shop ' }).warnings.join('\n'), new RegExp(`^${name} .*whitespace`))
  })
}

for (const name of ['LERNITO_WEBHOOK_SECRET', 'LERNITO_WEBHOOK_SECRET_PREVIOUS']) {
  test(`${name}: after whsec_ it must have base64 of at least 8 bytes, and fewer than 24 get a warning`, () => {
    const key = (bytes: number): string => `whsec_${Buffer.alloc(bytes, 'key').toString('base64')}`
    for (const text of [
      'whsec_',
      'whsec_not-base64-at-all',
      `${key(24)}=`,
      `${key(24)} `,
      key(25).replace(/=+$/, ''),
      key(0),
      key(7),
    ]) {
      assert.match(
        refusal({ ...GOOD, [name]: text }).join('\n'),
        new RegExp(`^${name} (begins with whsec_|is too short)`),
      )
    }
    assert.match(read({ [name]: key(23) }).warnings.join('\n'), new RegExp(`^${name} .*fewer than 24 bytes`))
    for (const text of [key(24), key(64), key(25), 'WHSEC_is-no-prefix', ' whsec_no-prefix']) {
      assert.deepEqual(
        read({ [name]: text }).warnings.filter((one) => !one.includes('whitespace')),
        [],
      )
    }
  })
}

test('a secret is read from its file, without the newline at the end', async (t) => {
  for (const [content, secret] of [
    ['the-secret-in-the-file', 'the-secret-in-the-file'],
    ['the-secret-in-the-file\n', 'the-secret-in-the-file'],
    ['the-secret-in-the-file\r\n', 'the-secret-in-the-file'],
    ['the-secret-in-the-file\n\n', 'the-secret-in-the-file\n'],
  ]) {
    const file = await secretFile(t, content ?? '')
    const env = { LERNITO_LMS_CLIENT_SECRET: '', LERNITO_LMS_CLIENT_SECRET_FILE: file }
    const { settings, warnings } = read(env)
    assert.equal(settings.LERNITO_LMS_CLIENT_SECRET, secret)
    assert.deepEqual(warnings, [])
  }
})

test('a secret with its file, an unreadable file and an empty file each get one line', async (t) => {
  const file = await secretFile(t, '\n')
  const name = 'LERNITO_WEBHOOK_SECRET'
  const refusals = [
    refusal({ ...GOOD, LERNITO_WEBHOOK_SECRET_FILE: file }),
    refusal({ ...GOOD, [name]: '', LERNITO_WEBHOOK_SECRET_FILE: `${file}.gone` }),
    refusal({ ...GOOD, [name]: '', LERNITO_WEBHOOK_SECRET_FILE: file }),
  ]
  assert.deepEqual(
    refusals.map((lines) => lines.length),
    [1, 1, 1],
  )
  const [both, gone, empty] = refusals.flat()
  assert.equal(
    both,
    `${name} and ${name}_FILE are both set. Keep one of them, and set the other to nothing if you can't remove it.`,
  )
  assert.equal(
    gone,
    `${name} can't be read from ${file}.gone. Check the path in ${name}_FILE and the permissions of the file.`,
  )
  assert.equal(
    empty,
    `${name} can't be read from ${file}, because the file is empty. Write the value into it, or remove ${name}_FILE.`,
  )
})

test('an empty file of the database’s URL is no reason to store sales in another database', async (t) => {
  const file = await secretFile(t, '')
  assert.match(refusal({ ...GOOD, LERNITO_DATABASE_URL_FILE: file }).join(), /^LERNITO_DATABASE_URL can't be read /)
})

test('an empty setting counts as not set', () => {
  const empty = Object.fromEntries(SETTINGS.map(({ name }) => [name, '']))
  const { settings, warnings } = readAll({ ...empty, LERNITO_WEBHOOK_SECRET_FILE: '', ...GOOD })
  assert.deepEqual(settings, read({}).settings)
  assert.deepEqual(warnings, [])
})

test('a misspelled name gets a warning, and so does a file for a setting that is not a secret', () => {
  const { warnings } = read({ LERNITO_LMS_ULR: 'x', LERNITO_LMS_URL_FILE: '/run/secrets/url' })
  assert.deepEqual(warnings, [
    'LERNITO_LMS_ULR is not a setting of this version. Check its spelling.',
    'LERNITO_LMS_URL_FILE is not a setting of this version. Check its spelling.',
  ])
})

test('a secret or a client id in quotation marks gets a warning, because Docker keeps them in the value', () => {
  for (const name of [
    'LERNITO_WEBHOOK_SECRET',
    'LERNITO_WEBHOOK_SECRET_PREVIOUS',
    'LERNITO_LMS_CLIENT_ID',
    'LERNITO_LMS_CLIENT_SECRET',
    'LERNITO_CONSOLE_CLIENT_ID',
    'LERNITO_CONSOLE_CLIENT_SECRET',
  ]) {
    for (const mark of ['"', "'"]) {
      const { warnings } = read({ [name]: `${mark}a text of good length${mark}` })
      assert.match(warnings.join('\n'), new RegExp(`^${name} is in quotation marks, .*without them\\.$`))
    }
    assert.deepEqual(read({ [name]: 'a text of "good" length' }).warnings, [])
  }
})

test('slashes at the end of the LMS’s address are removed, and a path is kept', () => {
  const urlOf = (text: string): string => read({ LERNITO_LMS_URL: text }).settings.LERNITO_LMS_URL
  assert.equal(urlOf('http://lms:8000/'), 'http://lms:8000')
  assert.equal(urlOf('https://example.com/lms//'), 'https://example.com/lms')
})

// The LMS compares the redirect URI as text, and doctor shows it to operators.
test('an address is written as browsers write it', () => {
  const urlOf = (text: string): string | undefined => read({ LERNITO_PUBLIC_URL: text }).settings.LERNITO_PUBLIC_URL
  assert.equal(urlOf('https://Learn.Example.org'), 'https://learn.example.org')
  assert.equal(urlOf('https://lernito.example.com:443/Shop/'), 'https://lernito.example.com/Shop')
  assert.equal(urlOf('https://kurse.müller.example'), 'https://kurse.xn--mller-kva.example')
})

test('the database can be a file or on a server', () => {
  for (const url of ['sqlite:/data/l.db', 'mysql://lernito:p%40ss@db:3307/lernito', 'mysql://lernito@[::1]/lernito']) {
    assert.equal(read({ LERNITO_DATABASE_URL: url }).settings.LERNITO_DATABASE_URL, url)
  }
})

test('TLS to the database has a file with its authorities, which is read at the start', async (t) => {
  const url = 'mysql://lernito:secret@db.example.com/lernito?tls=verify'
  const authority = await secretFile(t, rootCertificates[0] ?? '')
  const { settings, warnings } = read({ LERNITO_DATABASE_URL: url, LERNITO_DATABASE_CA_FILE: authority })
  assert.match(settings.LERNITO_DATABASE_CA_FILE ?? '', /^-----BEGIN CERTIFICATE-----\n/)
  assert.deepEqual(warnings, [])
  const none = await secretFile(t, 'no certificate')
  const broken = await secretFile(t, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  const file = 'LERNITO_DATABASE_CA_FILE'
  assert.deepEqual(
    [`${none}.gone`, none, broken].map((path) => refusal({ ...GOOD, LERNITO_DATABASE_URL: url, [file]: path })),
    [
      [`${file} can't be read from ${none}.gone (ENOENT). Check the path, the permissions, and that the file is PEM.`],
      [`${file} names a file without a certificate: ${none}. Write the path of a file in PEM format in it.`],
      [
        `${file} can't be read from ${broken} (ERR_OSSL_ASN1_WRONG_TAG). Check the path, the permissions, and that the file is PEM.`,
      ],
    ],
  )
})

test('a file with authorities is refused where no TLS would use it', async (t) => {
  const authority = await secretFile(t, rootCertificates[0] ?? '')
  for (const url of ['sqlite:/data/l.db', 'mysql://lernito:secret@db/lernito', 'mysql://lernito@db/lernito?tls=off']) {
    assert.deepEqual(refusal({ ...GOOD, LERNITO_DATABASE_URL: url, LERNITO_DATABASE_CA_FILE: authority }), [
      'LERNITO_DATABASE_CA_FILE has no effect without TLS. End LERNITO_DATABASE_URL with ?tls=verify, or remove the file.',
    ])
  }
})

test('a database on a public host without TLS gets a warning, unless the setting says that it is on purpose', () => {
  const warned = (host: string, end = ''): boolean =>
    read({ LERNITO_DATABASE_URL: `mysql://lernito:secret@${host}/lernito${end}` }).warnings.length > 0
  for (const host of ['db.eu-central-1.rds.amazonaws.com', '203.0.113.5:3307', '[2001:db8::1]']) {
    assert.equal(warned(host), true, host)
    for (const end of ['?tls=off', '?tls=verify']) assert.equal(warned(host, end), false, host)
  }
  const own = ['mysql', 'LocalHost', '127.0.0.1', '10.1.2.3:3306', '192.168.0.5', '[::1]', '[fd00::5]', 'db.internal']
  for (const host of [...own, 'mysql.openedx.svc', 'mysql.openedx.svc.cluster.local']) {
    assert.equal(warned(host), false, host)
  }
})

test('every setting has a meaning, and a required secret has no default', () => {
  for (const { name, meaning, secret, fallback, required, example } of SETTINGS) {
    assert.match(name, /^LERNITO_[A-Z_]+$/)
    assert.match(meaning, /\.$/)
    if (secret && name !== 'LERNITO_DATABASE_URL') assert.equal(fallback, undefined)
    if (required) assert(example, `${name} has no example`)
  }
})

const ADDRESSES = ['https://lms.example.com/#top', 'https://lms.example.com/?', 'https://:pw@lms.example.com']
test('an LMS address with more than a host and a path is refused', () => {
  for (const text of ADDRESSES) assert.equal(refusal({ ...GOOD, LERNITO_LMS_URL: text }).length, 1, text)
  for (const text of [' https://lms.example.com', 'https://lms.example.com ']) {
    assert.equal(refusal({ ...GOOD, LERNITO_LMS_URL: text }).length, 1, text)
  }
})

test('proxies are trusted by their number or by their addresses', () => {
  const trusted = (text: string) => read({ LERNITO_TRUSTED_PROXIES: text }).settings.LERNITO_TRUSTED_PROXIES
  assert.equal(trusted('2'), 2)
  assert.deepEqual(trusted('10.0.0.5, 172.16.0.0/12,::1'), ['10.0.0.5', '172.16.0.0/12', '::1'])
  for (const wrong of ['caddy', '10.0.0.5/33', '10.0.0.5,,', '-1', '10.0.0.0/8/8', '0.0.0.0/0', '10.0.0.5,::/0']) {
    assert.match(refusal({ ...GOOD, LERNITO_TRUSTED_PROXIES: wrong })[0] ?? '', /^LERNITO_TRUSTED_PROXIES must be/)
  }
})

test('the address for notifications can have a query, which is its secret', () => {
  const url = 'https://chat.example.com/hooks?key=abc'
  assert.equal(read({ LERNITO_NOTIFY_URL: url }).settings.LERNITO_NOTIFY_URL, url)
  assert.match(refusal({ ...GOOD, LERNITO_NOTIFY_URL: 'chat' })[0] ?? '', /^LERNITO_NOTIFY_URL must be a URL/)
})

test('an address for notifications with a user name or a password is refused, because nothing can be posted to it', () => {
  for (const user of ['ada@', 'ada:pw@', ':pw@']) {
    const wrong = refusal({ ...GOOD, LERNITO_NOTIFY_URL: `https://${user}chat.example.com/hooks` })
    assert.match(wrong[0] ?? '', /^LERNITO_NOTIFY_URL must be a URL without user name and password/, user)
  }
})

test('http:// over the public internet, to the LMS or for notifications, gets a warning', () => {
  const warned = (name: string, url: string): boolean => {
    const { warnings } = read({ [name]: url })
    for (const warning of warnings) {
      assert.match(warning, new RegExp(`^${name} is http:// to a public host.*Use https://\\.$`))
      assert.ok(!warning.includes(url))
    }
    return warnings.length > 0
  }
  const hosts = {
    open: ['lms.example.com', '8.8.8.8', '172.32.0.1', '[2606:4700::1111]', 'local.example.com', 'lms.example.com.'],
    own: [
      ...['lms', 'localhost', 'lms.localhost', 'lms.openedx.svc', 'lms.openedx.svc.cluster.local', 'lms.internal.'],
      ...['127.0.0.1', '127.1', '10.0.0.5', '172.31.255.255', '192.168.1.1', '100.64.0.1', '169.254.10.1'],
      ...['[::1]', '[fd00::1]', '[fe80::1]', '[::ffff:10.0.0.1]'],
    ],
  }
  for (const name of ['LERNITO_LMS_URL', 'LERNITO_NOTIFY_URL']) {
    for (const host of hosts.open) assert.equal(warned(name, `http://${host}:8000/x`), true, host)
    for (const host of hosts.own) assert.equal(warned(name, `http://${host}:8000/x`), false, host)
    for (const host of [...hosts.open, ...hosts.own]) assert.equal(warned(name, `https://${host}/x`), false, host)
  }
})

test('the check of certificates cannot be turned off for the whole process', () => {
  const [line = '', ...more] = refusal({ ...GOOD, NODE_TLS_REJECT_UNAUTHORIZED: '0' })
  assert.deepEqual(more, [])
  assert.match(line, /^NODE_TLS_REJECT_UNAUTHORIZED=0 turns off .*Remove it\. .*NODE_EXTRA_CA_CERTS/)
  assert.equal(refusal({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }).length, 5)
  for (const value of ['1', '']) assert.deepEqual(refusal({ ...GOOD, NODE_TLS_REJECT_UNAUTHORIZED: value }), [])
})

test('LERNITO_EMAIL_STUDENTS is on or off', () => {
  assert.equal(read({ LERNITO_EMAIL_STUDENTS: 'on' }).settings.LERNITO_EMAIL_STUDENTS, true)
  assert.equal(read({ LERNITO_EMAIL_STUDENTS: 'off' }).settings.LERNITO_EMAIL_STUDENTS, false)
  assert.match(refusal({ ...GOOD, LERNITO_EMAIL_STUDENTS: 'true' }).join(), /LERNITO_EMAIL_STUDENTS must be on or off/)
})

test('LERNITO_COURSE_MODE is one mode for all courses, or a mode for each course key', () => {
  const modes = (text: string) => read({ LERNITO_COURSE_MODE: text }).settings.LERNITO_COURSE_MODE
  assert.equal(modes(''), undefined)
  assert.deepEqual(modes(' honor '), { all: 'honor', byCourse: new Map() })
  const byCourse = new Map([
    ['course-v1:a+b+c', 'verified'],
    ['edX/Old/2014', 'no-id-professional'],
  ])
  assert.deepEqual(modes('course-v1:a+b+c=verified , edX/Old/2014=no-id-professional'), { all: null, byCourse })
  for (const bad of [
    'two words',
    'course-v1:a+b=verified',
    'course-v1:a+b+c=',
    'course-v1:a+b+c=a=b',
    'honor,verified',
    ',',
  ]) {
    assert.match(
      refusal({ ...GOOD, LERNITO_COURSE_MODE: bad }).join(),
      /LERNITO_COURSE_MODE must be a course mode such as honor/,
      bad,
    )
  }
  for (const same of ['course-v1:a+b+c', 'course-v1:A+B+c']) {
    const twice = `course-v1:a+b+c=audit,${same}=honor`
    assert.match(refusal({ ...GOOD, LERNITO_COURSE_MODE: twice }).join(), /LERNITO_COURSE_MODE names a course twice/)
  }
})

test('events need both settings, an address that is safe to call, and a secret as Standard Webhooks writes it', () => {
  const url = 'https://shop.example.com/events'
  const secret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`
  const both =
    (LERNITO_EVENTS_URL: string, LERNITO_EVENTS_SECRET = secret) =>
    () =>
      read({ LERNITO_EVENTS_URL, LERNITO_EVENTS_SECRET })
  assert.equal(both(url)().settings.LERNITO_EVENTS_URL, url)
  for (const own of ['http://127.0.0.1:8792/', 'http://10.0.0.5/x', 'http://localhost/']) both(own)()
  assert.throws(() => read({ LERNITO_EVENTS_URL: url }), /LERNITO_EVENTS_SECRET is missing/)
  assert.throws(() => read({ LERNITO_EVENTS_SECRET: secret }), /LERNITO_EVENTS_URL is missing/)
  for (const wrong of ['http://shop.example.com/', 'https://a:b@shop.example.com/', 'ftp://x/', `${url}#x`]) {
    assert.throws(both(wrong), /LERNITO_EVENTS_URL must/)
  }
  for (const wrong of ['a'.repeat(40), 'whsec_', `whsec_${Buffer.alloc(23).toString('base64')}`, 'whsec_ö']) {
    assert.throws(both(url, wrong), /LERNITO_EVENTS_SECRET must be whsec_/)
  }
  assert.throws(both(url, `whsec_${Buffer.alloc(65).toString('base64')}`), /24 to 64/)
})

test('outcomes are off by default, and are told by events only', () => {
  const events = {
    LERNITO_EVENTS_URL: 'https://shop.example.com/events',
    LERNITO_EVENTS_SECRET: `whsec_${Buffer.alloc(24, 1).toString('base64')}`,
  }
  assert.equal(read({}).settings.LERNITO_OUTCOMES, 'off')
  for (const LERNITO_OUTCOMES of ['on', 'grades', 'off']) {
    assert.equal(read({ ...events, LERNITO_OUTCOMES }).settings.LERNITO_OUTCOMES, LERNITO_OUTCOMES)
  }
  assert.throws(() => read({ LERNITO_OUTCOMES: 'on' }), /LERNITO_OUTCOMES tells the shop by events.+LERNITO_EVENTS_URL/)
  assert.throws(() => read({ ...events, LERNITO_OUTCOMES: 'yes' }), /LERNITO_OUTCOMES must be off, on or grades/)
})
