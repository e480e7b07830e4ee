/** Characters or bytes of values in one statement. Bytes take two characters each; MariaDB accepts 16 MiB in total. */
const STATEMENT_SIZE = 1024 * 1024

/** Splits rows, in order, into groups that each fit into one statement, whatever senders put into the rows. */
export function inChunks<Row>(rows: readonly Row[], sizeOf: (row: Row) => number): Row[][] {
  let size = 0
  const numbered = rows.map((row) => {
    size += sizeOf(row)
    return { row, chunk: Math.floor(size / STATEMENT_SIZE) }
  })
  return [...Map.groupBy(numbered, ({ chunk }) => chunk).values()].map((chunk) => chunk.map(({ row }) => row))
}
