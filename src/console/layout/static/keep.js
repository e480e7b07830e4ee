// What was typed or chosen and not sent is kept in this tab while its writer signs in again, and is put back afterwards. It
// is kept by the tab alone, until it is put back or the tab is closed.

const KEPT = 'lernito:kept'
const pathOf = (url) => new URL(url, location.href).pathname
const actionOf = (form) => pathOf(form.getAttribute('action'))
/** The fields that a reader can write into, not the hidden ones of another form with the same action. */
const fieldsIn = (form) => [...form.querySelectorAll('input:not([type=hidden]), textarea, select')]

const isChoice = ({ type }) => type === 'checkbox' || type === 'radio'

const keep = (page, fields) => sessionStorage.setItem(KEPT, JSON.stringify({ page, fields }))

/** What a refused form contained; see guard.ts. */
function keepRefused(refused) {
  const { page, action } = refused.dataset
  const fields = [...refused.querySelectorAll('textarea, input')]
  keep(
    page,
    fields.map(({ name, value, type }) => ({ action, name, value, isText: type === 'textarea' })),
  )
}

/** What is in the forms of this page, on the way to the sign-in. */
function keepUnsent() {
  const forms = [...document.querySelectorAll('main form[method=post]')]
  const fields = forms.flatMap((form) => {
    const own = fieldsIn(form)
    if (!own.some(isUnsent)) return [] // see live.js
    const said = own.filter((field) => !isChoice(field) || field.checked)
    return said.map((field) => ({
      action: actionOf(form),
      name: field.name,
      value: field.value,
      isText: !isChoice(field) && !(field instanceof HTMLSelectElement),
    }))
  })
  if (fields.length > 0) keep(location.pathname, fields)
}

/** Puts what was kept into its field. Returns whether there was something. */
function putBack(field, kept) {
  const own = kept.filter(({ action, name }) => action === actionOf(field.form) && name === field.name)
  if (own.length === 0) return false
  if (isChoice(field)) field.checked = own.some(({ value }) => value === field.value)
  else field.value = own[0].value
  for (let up = field.closest('details'); up !== null; up = up.parentElement.closest('details')) up.open = true
  return true
}

function restore() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null')
  if (kept === null || kept.page !== location.pathname) return
  sessionStorage.removeItem(KEPT)
  const text = document.querySelector('#restored')
  const forms = [...document.querySelectorAll('main form[method=post]')]
  const [first] = forms.flatMap(fieldsIn).filter((field) => putBack(field, kept.fields))
  const texts = kept.fields.filter(({ isText }) => isText)
  text.hidden = first === undefined && texts.length === 0
  // The form may be gone, because another operator has changed the delivery.
  if (first === undefined) text.textContent = `${text.dataset.lost} ${texts.map(({ value }) => value).join('\n')}`
  else first.form.prepend(text)
  first?.focus()
}

document.addEventListener('click', ({ target }) => {
  if (target instanceof Element && target.closest('[data-sign-in]') !== null) keepUnsent()
})
const refusedForm = document.querySelector('#kept')
if (refusedForm === null) restore()
else keepRefused(refusedForm)
