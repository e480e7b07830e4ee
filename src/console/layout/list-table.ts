import { html } from 'ghtml'

/**
 * Returns a table. A narrow screen shows each row as a card, with the column names before the cells. That style removes
 * the roles of a table, so the elements name them explicitly.
 * @param of.rows one cell per column in each row, as escaped HTML
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
