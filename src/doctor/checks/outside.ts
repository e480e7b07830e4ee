import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { jsonOf } from '../../lms/client/answer.ts'
import { CHALLENGE_HEADER, challengeOf, isProven } from '../../shop/signature/identity.ts'
import { WEBHOOK_PATHS } from '../../shop/webhook/route.ts'
import { check, failed, type Problem, passed, problem, skipped } from '../check.ts'
import { targetOf } from './lms.ts'
import type { Probe, ProbeRequest, Reached, Unreached } from './probe.ts'

const refusal = z.object({ detail: z.string(), success: z.literal(false).optional() })
const description = z.object({ name: z.literal('Lernito Webhook') })

type Answered =
  | Unreached
  | { readonly ok: true; readonly who: 'ours' | 'original' | 'other'; readonly response: Reached }

/**
 * Which program answers at a webhook's address. Both refuse a GET with 405: the original with the body of Django REST
 * framework, this service with `success` in addition. The answer to OPTIONS has the original's name (recorded:
 * lernito-webhook.json, 'GET', 'OPTIONS').
 */
async function whoAnswers(
  probe: Probe,
  { url, headers = {} }: Pick<ProbeRequest, 'url' | 'headers'>,
): Promise<Answered> {
  const response = await probe({ method: 'GET', url, headers })
  if (!response.ok) return response
  const read = refusal.safeParse(jsonOf(response.answer))
  if (response.answer.status !== 405 || !read.success) return { ok: true, who: 'other', response }
  if (read.data.success === false) return { ok: true, who: 'ours', response }
  const options = await probe({ method: 'OPTIONS', url })
  const isOriginal = options.ok && description.safeParse(jsonOf(options.answer)).success
  return { ok: true, who: isOriginal ? 'original' : 'other', response }
}

const PUBLIC_URL = check({
  id: 'public_url',
  about: 'whether a webhook to LERNITO_PUBLIC_URL reaches this service',
  needs: ['settings', 'database'],
  examine: async ({ settings, database }, { probe }) => {
    const publicUrl = settings.LERNITO_PUBLIC_URL
    if (!publicUrl) return skipped('LERNITO_PUBLIC_URL is not set, so the address for the shop is unknown')
    const { LERNITO_WEBHOOK_SECRET: secret } = settings
    const nonce = randomBytes(16).toString('hex')
    // A service with our secret proves itself, and does not count the request as a sender's.
    const headers = { [CHALLENGE_HEADER]: challengeOf({ secret, nonce }) }
    const [url, mountedUrl] = [`${publicUrl}${WEBHOOK_PATHS[0]}`, `${publicUrl}${WEBHOOK_PATHS[1]}`]
    const [documented, mounted] = await Promise.all([
      whoAnswers(probe, { url, headers }),
      whoAnswers(probe, { url: mountedUrl, headers }),
    ])
    const found = publicProblem(documented, url)
    if (found !== null) return failed([found])
    // A shop that sends to the documented path doesn't need the other path, but the original plugin must not enroll there.
    const other = publicProblem(mounted, mountedUrl)
    if (other?.cause === 'public.plugin') return failed([other])
    const unready = await readiness(probe, publicUrl)
    if (unready !== null) return failed([unready])
    // Another installation may have the same secret, so a service has to answer that is in our database.
    const proof = documented.ok ? documented.response.proof : null
    const isOurs = proof !== null && isProven({ proof, nonce, secret, replicas: database.services.names })
    return isOurs ? passed(`the shop sends webhooks to ${url}`) : failed([problem('public.another', { url })])
  },
})

function publicProblem(answered: Answered, url: string): Problem | null {
  const { host } = new URL(url)
  if (!answered.ok) {
    const { obstacle, code } = answered
    if (obstacle === 'timeout') return problem('public.silent', { host })
    return problem(obstacle === 'tls' ? 'public.tls' : 'public.unreachable', { host, code })
  }
  if (answered.who === 'ours') return null
  if (answered.who === 'original') return problem('public.plugin', { url })
  const { answer } = answered.response
  const status = String(answer.status)
  if (answer.status >= 300 && answer.status < 400) return problem('public.redirects', { url, target: targetOf(answer) })
  if (answer.status >= 502 && answer.status <= 504) return problem('public.gateway', { url, status })
  return problem('public.other', { url, status })
}

const notReady = z.object({ status: z.literal('not ready'), reason: z.string() })

/** A proxy may block /readyz, so an answer from another server is ignored. */
async function readiness(probe: Probe, publicUrl: string): Promise<Problem | null> {
  const response = await probe({ method: 'GET', url: `${publicUrl}/readyz` })
  const read = response.ok ? notReady.safeParse(jsonOf(response.answer)) : null
  return read?.success ? problem('public.not_ready', { reason: read.data.reason }) : null
}

const PLUGIN = check({
  id: 'lms.plugin',
  about: 'whether the original Django plugin is still mounted in the LMS',
  needs: ['settings', 'lms'],
  examine: async ({ settings: { LERNITO_LMS_URL: lmsUrl } }, { probe }) => {
    const answers = await Promise.all(
      WEBHOOK_PATHS.map(async (path) => ({ path, answered: await whoAnswers(probe, { url: `${lmsUrl}${path}` }) })),
    )
    const found = answers.filter(({ answered }) => answered.ok && answered.who === 'original')
    if (found.length > 0) return failed(found.map(({ path }) => problem('plugin.mounted', { path })))
    if (answers.some(({ answered }) => !answered.ok)) return skipped('the LMS did not answer at its address')
    const ours = answers.some(({ answered }) => answered.ok && answered.who === 'ours')
    return passed(
      ours
        ? 'LERNITO_LMS_URL leads to this service by a proxy, so the check does not reach the LMS'
        : 'it is not mounted',
    )
  },
})

export const OUTSIDE_CHECKS = [PUBLIC_URL, PLUGIN]
