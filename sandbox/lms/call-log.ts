export type CallLog = ReturnType<typeof createCallLog>
type CallCount = { method: string; path: string; status: number; count: number }

/** Counts calls by method, route pattern and status. Status 0 means that a fault dropped the connection. */
export function createCallLog() {
  const counts = new Map<string, CallCount>()

  function count({ method, path, status }: { method: string; path: string; status: number }): void {
    const key = `${method} ${path} ${status}`
    const row = counts.get(key) ?? { method, path, status, count: 0 }
    counts.set(key, { ...row, count: row.count + 1 })
  }

  return { count, list: () => [...counts.values()], reset: () => counts.clear() }
}
