import type { Answer } from './answer.ts'
import { withEffect } from './effect.ts'
import { failed, type Judged } from './failure.ts'
import type { Tokens } from './token.ts'
import type { LmsRequest, Transport } from './transport.ts'

/** Sends a request with a token, and judges the answer. */
export type Ask = <T>(request: LmsRequest, judge: (answer: Answer) => Judged<T>) => Promise<Judged<T>>
/** Sends a request without a token. */
export type Send = (request: LmsRequest) => Promise<Judged<Answer>>

/** Gives the function that sends requests with a token. If the LMS refuses the token, it sends again with a new one. */
export function createAsk({ transport, tokens }: { transport: Transport; tokens: Tokens }): Ask {
  async function sendWithToken(request: LmsRequest): Promise<Judged<Answer>> {
    const token = await tokens.get()
    if (!token.ok) return token
    const { value } = token.value
    const first = await transport.send(request, { authorization: `JWT ${value}`, queued: true })
    if (!first.ok || first.value.status !== 401) return first
    const renewed = await tokens.renew(value)
    if (!renewed.ok) return renewed
    const second = await transport.send(request, { authorization: `JWT ${renewed.value.value}`, queued: true })
    if (!second.ok || second.value.status !== 401) return second
    const message = 'The LMS refuses a token that it just gave: check the clocks and its JWT_AUTH settings'
    return failed({ kind: 'misconfigured', endpoint: request.endpoint, status: 401, message })
  }

  return async (request, judge) => {
    const sent = await sendWithToken(request)
    return sent.ok ? withEffect(request, judge(sent.value)) : sent
  }
}
