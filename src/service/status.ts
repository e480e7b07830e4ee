import type { openInbox } from '../queue/open-inbox.ts'
import { readShopViews } from '../queue/outbox/outbox.ts'
import type { StatusOf } from '../shop/status/route.ts'
import { AppError } from './lib/errors.ts'

/** Reads the deliveries that the shop asks for. */
export function createStatusOf({
  database: { db },
  availability,
}: Pick<ReturnType<typeof openInbox>, 'database' | 'availability'>): StatusOf {
  return async (ids) => {
    try {
      return await availability.guard(() => readShopViews({ trx: db }, ids))
    } catch (error) {
      if (error instanceof AppError && error.code === 'database.unreachable') return null
      throw error
    }
  }
}
