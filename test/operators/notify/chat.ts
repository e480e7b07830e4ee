import { createServer } from 'node:http'
import { z } from 'zod'
import { listening } from '../../listening.ts'
import { until } from '../../service/process.ts'

const bodySchema = z.strictObject({ text: z.string() })

interface Answer {
  readonly status: number
  readonly location?: string
}

/** The receiver of the texts: an HTTP server whose address is a secret. It answers 200 until a test sets another answer. */
export async function startChat(t: { readonly after: (done: () => void) => void }) {
  const texts: string[] = []
  const refused: string[] = []
  const requests: { method: string | undefined; type: string | undefined; body: string }[] = []
  let answer: Answer | 'silence' = { status: 200 }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8')
      requests.push({ method: request.method, type: request.headers['content-type'], body })
      const { text } = bodySchema.parse(JSON.parse(body))
      if (answer === 'silence') return
      const { status, location } = answer
      ;(status < 300 ? texts : refused).push(text)
      response.writeHead(status, location === undefined ? {} : { location }).end('ok')
    })
  })
  const { host } = await listening(t, server)
  return {
    url: `http://${host}/hooks/secret-key`,
    /** The texts that it accepted, in order. */
    texts,
    refused,
    requests,
    answer: (next: Answer | 'silence'): void => {
      answer = next
    },
    received: (fits: RegExp): Promise<string> =>
      until(`a text like ${fits}`, () => texts.find((text) => fits.test(text))),
  }
}
