import { readFileSync, writeFileSync } from 'node:fs'
import { CHECKS } from '../src/doctor/examine.ts'
import { REASON_CODES, REASONS } from '../src/sale/types.ts'
import { reasonText } from '../src/sale/words.ts'
import METRICS from '../src/service/telemetry/metrics.json' with { type: 'json' }
import { createMetrics } from '../src/service/telemetry/metrics.ts'
import { table, withPart } from './generated-parts.ts'

const code = (text: string): string => `\`${text}\``

/** A text that is shown as it is elsewhere, with its settings as code. */
const prose = (text: string): string => text.replace(/LERNITO_\w+/g, code)

const checks = (): string[][] => CHECKS.map(({ id, about }) => [code(id), prose(about)])

const reasons = (): string[][] =>
  REASON_CODES.map((reason) => [
    code(reason),
    REASONS[reason].name,
    code(reasonText({ code: reason, subject: '…' })),
    prose(REASONS[reason].todoMany),
  ])

function metrics(): string[][] {
  const { registry } = createMetrics()
  const types = new Map(registry.getMetricsAsArray().map(({ name, type }) => [name, String(type)]))
  return Object.entries(METRICS).map(([name, { help, labelNames }]) => [
    code(name),
    types.get(name) ?? 'gauge', // createMetrics makes all others
    labelNames.map(code).join(', '),
    prose(help),
  ])
}

/** The pages with one table that is made of what the source declares. */
const TABLES = {
  'docs/reference/doctor.md': { name: 'checks', part: table(['check', 'what it finds out'], checks()) },
  'docs/reference/metrics.md': { name: 'metrics', part: table(['metric', 'type', 'labels', 'meaning'], metrics()) },
  'docs/reference/states-and-reasons.md': {
    name: 'reasons',
    part: table(['code', 'name', 'text', 'what to do'], reasons()),
  },
}

/** Returns each of these pages as it is, and as the source makes it. Throws if a page lacks its marker. */
export const pagesWithTables = (): { path: string; page: string; made: string }[] =>
  Object.entries(TABLES).map(([path, part]) => {
    const page = readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
    return { path, page, made: withPart(page, part) }
  })

if (import.meta.main) {
  for (const { path, made } of pagesWithTables()) writeFileSync(new URL(`../${path}`, import.meta.url), made)
}
