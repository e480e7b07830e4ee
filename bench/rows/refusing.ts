import { isUtf8 } from 'node:buffer'
import { createHmac } from 'node:crypto'
import { verifyRequest } from '../../src/shop/webhook/receive.ts'
import { HOSTILE_BODIES } from '../hostile-bodies.ts'
import { SECRET } from '../processes.ts'
import { type Row, round } from '../row.ts'

const WARM_UP = 30
const TIMES = 60
const PREVIOUS = 'lernito-bench-secret-before'

/** Returns the CPU time of `work` in microseconds, including that of the garbage collector's threads. */
function cost(work: () => void): number {
  for (let i = 0; i < WARM_UP; i++) work()
  const before = process.cpuUsage()
  for (let i = 0; i < TIMES; i++) work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / TIMES
}

function refuse(body: Buffer, signature: string | undefined): void {
  const headers = { 'content-type': 'application/json', 'x-lernito-signature': signature }
  const received = verifyRequest({ headers, body, secrets: [SECRET, PREVIOUS], now: Date.now() })
  if (!('code' in received)) throw new Error('a hostile body was not refused')
}

export const refusing: Row = {
  name: 'refusing',
  title: 'CPU to refuse 64 KiB of hostile JSON without a signature / one HMAC and a UTF-8 check',
  goal: { at: 'most', value: 25, unit: 'times' },
  takes: 15,
  run: async () => {
    const measured = Object.entries(HOSTILE_BODIES).map(([name, body]) => ({
      name,
      least: cost(() => {
        createHmac('sha256', SECRET).update(body).digest()
        isUtf8(body)
      }),
      unsigned: cost(() => refuse(body, undefined)),
      wrong: cost(() => refuse(body, '0'.repeat(64))),
    }))
    const mean = (of: 'least' | 'unsigned' | 'wrong'): number =>
      measured.reduce((sum, one) => sum + one[of], 0) / measured.length
    const worst = (of: 'unsigned' | 'wrong'): string => {
      const [first] = [...measured].sort((a, b) => b[of] - a[of])
      return first === undefined
        ? 'none'
        : `${round(first[of] / 1000)} ms, ${round(first[of] / mean('least'))} times: ${first.name}`
    }
    return {
      value: mean('unsigned') / mean('least'),
      parts: {
        'one HMAC and a UTF-8 check, ms': round(mean('least') / 1000),
        'without a signature, ms': round(mean('unsigned') / 1000),
        'without a signature, the worst': worst('unsigned'),
        'with a wrong signature and two secrets, ms': round(mean('wrong') / 1000),
        'with a wrong signature and two secrets, times': round(mean('wrong') / mean('least')),
        'with a wrong signature and two secrets, the worst': worst('wrong'),
      },
      notes: [
        `Means over ${measured.length} kinds of bodies. A wrong signature takes up to ten HMACs: five forms, two secrets. The faster a processor computes SHA-256, the higher are the ratios.`,
      ],
    }
  },
}
