// A form with a change is sent once. The answer to a second click would hide that of the first, and say that nothing changed.

/** Whoever has waited this long for an answer may send the form again: ms. */
const AWAITED_MS = 10_000
let sent = null

document.addEventListener('submit', (event) => {
  const form = event.target
  if (form.method !== 'post' || form.hasAttribute('hx-post')) return
  if (sent?.form === form && Date.now() - sent.at < AWAITED_MS) event.preventDefault()
  else sent = { form, at: Date.now() }
})
// After “back”, the page is as it was left.
window.addEventListener('pageshow', () => {
  sent = null
})
