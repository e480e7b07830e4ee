import { tryEndpoint } from '../../shop/events/post-event.ts'
import { problem } from '../causes/causes.ts'
import { type Check, check, failed, passed, skipped } from '../check.ts'

const ENDPOINT: Check = check({
  id: 'events.endpoint',
  about: "whether the service can connect to the shop's endpoint for events; it sends nothing there",
  needs: ['settings'],
  examine: async ({ settings: { LERNITO_EVENTS_URL: url } }, { callMs, resolve }) => {
    if (url === undefined) return skipped('LERNITO_EVENTS_URL is not set, so the shop gets no events')
    const { host } = new URL(url)
    const found = await tryEndpoint({ url, timeoutMs: callMs, ...(resolve === undefined ? {} : { resolve }) })
    if (found === null) return passed(`${host} accepts the connection`)
    const { obstacle, code } = found
    if (obstacle === 'private') return failed([problem('events.private', { why: code })])
    return failed([problem(obstacle === 'tls' ? 'events.tls' : 'events.unreachable', { host, code })])
  },
})

export const EVENTS_CHECKS: readonly Check[] = [ENDPOINT]
