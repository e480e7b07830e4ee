import { AppError } from '../errors.ts'
import type { openInbox } from '../inbox/open-inbox.ts'
import { readShopViews } from '../inbox/outbox.ts'
import type { StatusOf } from '../webhook/status-route.ts'

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
