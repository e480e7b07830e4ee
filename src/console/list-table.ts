import { html } from 'ghtml'

/**
 * A table, of which a narrow screen shows each row as a card: the names of the columns then stand before their cells.
 * The roles are those that a table has anyway; that style would take them away.
 * @param of.rows each a cell for each column, as HTML that is escaped already
 */
export function listTable(of: { columns: readonly string[]; rows: readonly (readonly string[])[] }): string {
  const head = of.columns.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)
  const rows = of.rows.map((cells) => {
    const named = cells.map(
      (cell, index) => html`<td role="cell" data-label="${of.columns[index] ?? ''}">!${cell}</td>`,
    )
    return html`<tr role="row">!${named.join('\n')}</tr>`
  })
  return html`<table class="list" role="table"><thead role="rowgroup"><tr role="row">!${head.join('')}</tr></thead>
<tbody role="rowgroup">!${rows.join('\n')}</tbody></table>`
}
