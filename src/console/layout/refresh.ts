import { html } from 'ghtml'

/**
 * Returns the attributes of an element that keeps a part of the page up to date: the part with this id is replaced by
 * that of the answer. After an error it stays as it is, and is asked for again.
 * @param of.url the address that has the part
 * @param of.seconds the time between two requests
 */
export const refreshes = ({ url, id, seconds }: { url: string; id: string; seconds: number }): string =>
  html`hx-get="${url}" hx-trigger="every ${seconds}s" hx-target="#${id}" hx-select="#${id}" hx-swap="outerMorph" hx-status:4xx="swap:none" hx-status:5xx="swap:none"`
