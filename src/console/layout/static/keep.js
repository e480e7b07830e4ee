// Text that was typed and not sent is kept in this tab while its writer signs in again, and is put back afterwards. It
// is kept by the tab alone, until it is put back or the tab is closed.

const KEPT = 'lernito:kept'
const pathOf = (url) => new URL(url, location.href).pathname

/** What a refused form contained; see guard.ts. */
function keepRefused(refused) {
  const { page, action } = refused.dataset
  const fields = [...refused.querySelectorAll('textarea')].map(({ name, value }) => ({ action, name, value }))
  sessionStorage.setItem(KEPT, JSON.stringify({ page, fields }))
}

/** What is in the forms of this page, on the way to the sign-in. */
function keepUnsent() {
  const fields = [...document.querySelectorAll('main form[method=post] :is(input:not([type]), textarea)')]
    .filter(({ value, defaultValue }) => value !== defaultValue)
    .map(({ form, name, value }) => ({ action: pathOf(form.getAttribute('action')), name, value }))
  if (fields.length > 0) sessionStorage.setItem(KEPT, JSON.stringify({ page: location.pathname, fields }))
}

/** The field that a reader can write into, not the hidden one of another form with the same action. */
function findField({ action, name }) {
  const all = [...document.querySelectorAll('main form :is(input:not([type=hidden]), textarea)')]
  return all.find((field) => field.name === name && pathOf(field.form.getAttribute('action')) === action)
}

function restore() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null')
  if (kept === null || kept.page !== location.pathname) return
  sessionStorage.removeItem(KEPT)
  const text = document.querySelector('#restored')
  const found = kept.fields.map((field) => ({ ...field, at: findField(field) }))
  for (const { at, value } of found) {
    if (at === undefined) continue
    at.value = value
    for (let up = at.closest('details'); up !== null; up = up.parentElement.closest('details')) up.open = true
  }
  const [first] = found.filter(({ at }) => at !== undefined)
  text.hidden = false
  // The form may be gone, because another operator has changed the delivery.
  if (first === undefined) text.textContent = `${text.dataset.lost} ${kept.fields.map(({ value }) => value).join('\n')}`
  else first.at.form.prepend(text)
  first?.at.focus()
}

document.addEventListener('click', ({ target }) => {
  if (target instanceof Element && target.closest('[data-sign-in]') !== null) keepUnsent()
})
const refusedForm = document.querySelector('#kept')
if (refusedForm === null) restore()
else keepRefused(refusedForm)
