import { type Background, runBackgroundLoop } from '../../service/lib/background-loop.ts'
import { createNotifier, type NotifierOptions } from './notifier.ts'

/**
 * Looks for what operators have to act on, and sends texts about it, until the signal is aborted. Nothing waits for it: a
 * receiver that fails holds up only the texts.
 */
export async function runNotifier(from: NotifierOptions & Background): Promise<void> {
  const { lookMs } = from.timing
  const notifier = createNotifier(from)
  const round = async (): Promise<number> => {
    await notifier.look()
    return lookMs
  }
  await runBackgroundLoop({ ...from, round, againMs: lookMs })
  // Only a courtesy: without it, another replica takes over when the lease ends.
  await notifier.close().catch(() => {})
}
