import { readFileSync } from 'node:fs'
import { z } from 'zod'

const rows = z.object({
  enrollments: z.array(z.object({ email: z.string(), course: z.string(), mode: z.string(), active: z.boolean() })),
  allowances: z.array(z.object({ email: z.string(), course: z.string(), auto_enroll: z.boolean(), used: z.boolean() })),
})

const recording = z.object({
  secret: z.string(),
  cases: z.array(
    z.object({
      group: z.string(),
      name: z.string(),
      before: z.union([z.literal('as the case above left it'), rows]).optional(),
      request: z.object({ method: z.string(), headers: z.record(z.string(), z.string()), body: z.string() }),
      response: z.object({ status: z.number(), body: z.unknown() }),
      effect: z
        .object({
          enrollments_new: rows.shape.enrollments,
          enrollments_before: rows.shape.enrollments,
          allowances_new: rows.shape.allowances,
          allowances_before: rows.shape.allowances,
        })
        .partial()
        .optional(),
    }),
  ),
})

export type RecordedCase = z.infer<typeof recording>['cases'][number]
export type Effect = NonNullable<RecordedCase['effect']>

/** What the original plugin in a real LMS answered to each webhook, and what that changed. */
export function recordedCases(file: 'lernito-webhook.json' | 'lernito-webhook-random.json'): RecordedCase[] {
  const text = readFileSync(new URL(`../../recordings/${file}`, import.meta.url), 'utf8')
  return recording.parse(JSON.parse(text)).cases
}
