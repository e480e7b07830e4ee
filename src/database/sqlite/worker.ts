import { serveWriter } from './thread.ts'

/** The program of the thread that writes, where nobody gives it tasks. */
serveWriter({
  start: () => async (): Promise<never> => {
    throw new Error('this thread runs statements only')
  },
})
