import { z } from 'zod'
import { jsonOf } from '../openedx/answer.ts'
import { type Problem, problem } from './causes.ts'
import { type Check, check, type Finding, ill, skipped, well } from './check.ts'
import { originOf } from './lms.ts'
import type { Probe, Reached, Unreached } from './probe.ts'

/** The path that the original documents, and the one where it really mounts. */
const PATHS = ['/api/lernito/webhook/', '/lernito/webhook/'] as const

const refusal = z.object({ detail: z.string(), success: z.literal(false).optional() })
const description = z.object({ name: z.literal('Lernito Webhook') })

/**
 * Who answers at a webhook's address. Both refuse a GET with 405; the original in the words of Django REST framework
 * alone, this service with `success` besides. `OPTIONS` has the original's name (recorded: lernito-webhook.json, 'GET',
 * 'OPTIONS').
 */
async function whoAnswers(
  probe: Probe,
  url: string,
): Promise<Unreached | { readonly ok: true; readonly who: 'ours' | 'original' | 'other'; readonly heard: Reached }> {
  const heard = await probe({ method: 'GET', url })
  if (!heard.ok) return heard
  const read = refusal.safeParse(jsonOf(heard.answer))
  if (heard.answer.status !== 405 || !read.success) return { ok: true, who: 'other', heard }
  if (read.data.success === false) return { ok: true, who: 'ours', heard }
  const options = await probe({ method: 'OPTIONS', url })
  const isOriginal = options.ok && description.safeParse(jsonOf(options.answer)).success
  return { ok: true, who: isOriginal ? 'original' : 'other', heard }
}

const PUBLIC_URL: Check = check({
  id: 'public_url',
  about: 'whether a webhook that is sent to LERNITO_PUBLIC_URL reaches this service',
  needs: ['settings'],
  look: async ({ settings }, { probe }) => {
    const publicUrl = settings.LERNITO_PUBLIC_URL
    if (!publicUrl)
      return skipped('LERNITO_PUBLIC_URL is not set, so it is not known where the shop reaches the service')
    const [documented, mounted] = await Promise.all(PATHS.map((path) => publicProblem(probe, `${publicUrl}${path}`)))
    if (documented) return ill([documented])
    // A shop that sends to the documented path doesn't need the other one; but nobody else may enroll by it.
    if (mounted?.cause === 'public.plugin') return ill([mounted])
    return readiness(probe, publicUrl)
  },
})

async function publicProblem(probe: Probe, url: string): Promise<Problem | null> {
  const { host } = new URL(url)
  const answered = await whoAnswers(probe, url)
  if (!answered.ok) {
    const { hindrance, code } = answered
    if (hindrance === 'timeout') return problem('public.silent', { host })
    return problem(hindrance === 'tls' ? 'public.tls' : 'public.unreachable', { host, code })
  }
  if (answered.who === 'ours') return null
  if (answered.who === 'original') return problem('public.plugin', { url })
  const { answer } = answered.heard
  const status = String(answer.status)
  if (answer.status >= 300 && answer.status < 400) return problem('public.redirects', { url, target: originOf(answer) })
  if (answer.status >= 502 && answer.status <= 504) return problem('public.gateway', { url, status })
  return problem('public.other', { url, status })
}

const notReady = z.object({ status: z.literal('not ready'), reason: z.string() })

/** A proxy need not let /readyz through; what comes from elsewhere says nothing. */
async function readiness(probe: Probe, publicUrl: string): Promise<Finding> {
  const heard = await probe({ method: 'GET', url: `${publicUrl}/readyz` })
  const read = heard.ok ? notReady.safeParse(jsonOf(heard.answer)) : null
  if (read?.success) return ill([problem('public.not_ready', { reason: read.data.reason })])
  return well(`the shop sends to ${publicUrl}${PATHS[0]}`)
}

const PLUGIN: Check = check({
  id: 'lms.plugin',
  about: 'whether the original Django plugin is mounted in the LMS too',
  needs: ['settings', 'lms'],
  look: async ({ settings: { LERNITO_LMS_URL: lmsUrl } }, { probe }) => {
    const answers = await Promise.all(
      PATHS.map(async (path) => ({ path, answered: await whoAnswers(probe, `${lmsUrl}${path}`) })),
    )
    const found = answers.filter(({ answered }) => answered.ok && answered.who === 'original')
    if (found.length > 0) return ill(found.map(({ path }) => problem('plugin.mounted', { path })))
    if (answers.some(({ answered }) => !answered.ok)) return skipped('the LMS gave no answer at its address')
    const ours = answers.some(({ answered }) => answered.ok && answered.who === 'ours')
    return well(
      ours ? 'LERNITO_LMS_URL leads to this service by a proxy; what is behind can not be asked' : 'it is not mounted',
    )
  },
})

export const OUTSIDE_CHECKS: readonly Check[] = [PUBLIC_URL, PLUGIN]
