// The notice of what a form has done. It stays until it is dismissed or the page is left, and the address forgets it, so
// that a reload or a bookmark does not say again what was done once. It gets the focus, as the result on a form's own page and
// what is wrong with a form do: a screen reader reads it, it is scrolled to, and the keyboard begins there.

const notice = document.querySelector('#notice')
if (notice !== null) {
  const address = new URL(location.href)
  address.searchParams.delete('done')
  history.replaceState(history.state, '', address)
}
const said = notice ?? document.querySelector('main :is([role=alert], [data-result])')
if (said !== null) {
  said.tabIndex = -1
  said.focus()
}

document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a[data-dismiss]') : null
  if (link === null) return
  event.preventDefault() // the link loads the page anew, which would take what was typed in it
  link.closest('#notice').remove()
  document.querySelector('#main').focus({ preventScroll: true })
})
