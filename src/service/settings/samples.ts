import { SETTINGS, type Settings } from './settings.ts'

/** The sandbox's own secrets. They are public, and harmless with an LMS that only this machine reaches. */
const OF_SANDBOX: readonly string[] = ['lernito-sandbox-secret', 'whsec_bgvybml0by1zyw5kym94lwv2zw50cy1zzwnyzxq=']

/** The values of secrets in this project's documents, in lower case. A test finds those that are missing here. */
const OF_DOCUMENTS: readonly string[] = [
  'the secret of the shop',
  'the secret of the application',
  'the secret of the second application',
  'the new secret',
  'the old secret',
  'the-secret',
  'the-old-one',
  'choose-one',
  'choose-another',
  '0123456701234567',
]

/** Whether the text is a secret from the documents, with or without quotation marks around it. */
export function isSampleSecret(text: string): boolean {
  const plain = text.trim().replace(/^(["'])(.*)\1$/, '$2')
  return [...OF_SANDBOX, ...OF_DOCUMENTS].includes(plain.toLowerCase())
}

/** The names of the settings whose secret is a sample, and so known to everyone. */
export function sampleSecrets(settings: Settings): string[] {
  const isSandbox = isOnThisMachine(settings.LERNITO_LMS_URL)
  return SETTINGS.flatMap(({ name, secret }) => {
    const value = secret ? Object.entries(settings).find(([other]) => other === name)?.[1] : undefined
    if (typeof value !== 'string' || !isSampleSecret(value)) return []
    return isSandbox && OF_SANDBOX.includes(value.toLowerCase()) ? [] : [name]
  })
}

const isOnThisMachine = (url: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(new URL(url).hostname)
