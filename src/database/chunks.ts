/** Characters or bytes of values in one statement, where bytes are twice as long; MariaDB takes 16 MiB as a whole. */
const STATEMENT_SIZE = 1024 * 1024

/** Cuts rows, in order, into groups that each fit into one statement, whatever senders put into them. */
export function inChunks<Row>(rows: readonly Row[], sizeOf: (row: Row) => number): Row[][] {
  let size = 0
  const numbered = rows.map((row) => {
    size += sizeOf(row)
    return { row, part: Math.floor(size / STATEMENT_SIZE) }
  })
  return [...Map.groupBy(numbered, ({ part }) => part).values()].map((part) => part.map(({ row }) => row))
}
