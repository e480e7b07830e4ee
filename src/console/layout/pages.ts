import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { addressWith, sentForm } from '../session/sent-form.ts'
import { type Page, sendPage } from './layout.ts'
import { formOf, isUpdate, sessionOf } from './request.ts'

/** A request for a page. `id`: what its address names, such as a delivery; '' if it names nothing. */
interface Asked {
  readonly request: FastifyRequest
  readonly id: string
  /** What the form came to that led to this page; null: it was opened, or the form is of another session. */
  readonly sent: URLSearchParams | null
}

/** A form that was sent. `by`: who sent it. */
interface Order extends Omit<Asked, 'sent'> {
  readonly form: URLSearchParams
  readonly by: string
}

/**
 * Values for a page: that of the form's own address, or the one that is added with the path `page`. `query`: what else its
 * address has, with the question mark.
 */
export interface CameTo {
  readonly page?: string
  readonly query?: string
  readonly values: URLSearchParams
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Adds a page of the console. `show` returns it, or the path of another page, or null if there is no such thing. */
    page(path: string, show: (asked: Asked) => Promise<Page | string | null>): void
    /**
     * Adds a form of the console. `take` carries it out, and returns the path of the page to continue on, or what a page
     * is to say, or null if there is no such thing.
     *
     * The browser is led from the form to that page, so that it can return there: it can't return to the answer to a form,
     * which no cache may store. Values that don't fit into an address are answered directly, and so is htmx, which adds
     * nothing to the history.
     */
    form(path: string, take: (order: Order) => Promise<CameTo | string | null>, config?: FastifyContextConfig): void
  }
}

/** Lets pages and forms be added to the console. Paths are below its base. */
export function decoratePages(scope: FastifyInstance): void {
  const pages = new Map<string, Parameters<FastifyInstance['page']>[1]>()

  const send = async (reply: FastifyReply, { page, ...asked }: Asked & { page: string }) => {
    const shown = (await pages.get(page)?.(asked)) ?? null
    if (shown === null) return reply.callNotFound()
    return typeof shown === 'string' ? goTo(reply, shown) : sendPage({ reply, ...shown })
  }

  scope.decorate<FastifyInstance['page']>('page', (path, show) => {
    pages.set(path, show)
    scope.get<WithId>(path, (request, reply) =>
      send(reply, { request, id: idOf(request), sent: sentForm(request), page: path }),
    )
  })

  scope.decorate<FastifyInstance['form']>('form', (path, take, config = {}) => {
    scope.post<WithId>(path, { config }, async (request, reply) => {
      const [id, form] = [idOf(request), new URLSearchParams(formOf(request))]
      form.delete('csrf') // each form gets it anew
      const came = await take({ request, id, form, by: sessionOf(request).username })
      if (came === null) return reply.callNotFound()
      if (typeof came === 'string') return goTo(reply, came)
      const { page = path, query = '', values } = came
      const to = page.replace(':id', id) + query
      const address = isUpdate(request) ? null : addressWith({ request, path: to, values })
      return address === null ? send(reply, { request, id, sent: values, page }) : reply.redirect(address, 303)
    })
  })
}

const goTo = (reply: FastifyReply, path: string): FastifyReply =>
  reply.redirect(`${reply.request.site.base}${path}`, 303)

type WithId = { Params: { id?: string } }
/** Encoded, as an address has it. */
const idOf = ({ params: { id = '' } }: FastifyRequest<WithId>): string => encodeURIComponent(id)
