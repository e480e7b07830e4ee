// In a list of deliveries, j and k move from row to row, x selects the row, and Escape clears the selection. Enter opens the
// row, since its link has the focus. "?" lists all keys. The buttons below a selection work without this script.

const rowLinks = () => [...document.querySelectorAll('main .row-link')]
const selection = () => document.querySelector('#selection')
/** The place of the row that has the focus; -1 if none has. */
function placeOf(links) {
  const row = document.activeElement?.closest('tr')
  return links.findIndex((link) => row !== null && link.closest('tr') === row)
}

function moveBy(step) {
  const links = rowLinks()
  const place = placeOf(links)
  const next = links[place === -1 ? 0 : place + step]
  next?.focus()
  next?.scrollIntoView({ block: 'nearest' })
}

function toggle() {
  const links = rowLinks()
  const box = links[placeOf(links)]?.closest('tr').querySelector('input[type=checkbox]')
  if (box !== undefined && box !== null) box.checked = !box.checked
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event)) return
  // An open dialog has the keys for itself.
  if (document.querySelector('[popover]:popover-open') !== null) return
  if (event.key === 'j') moveBy(1)
  else if (event.key === 'k') moveBy(-1)
  else if (event.key === 'x') toggle()
  else if (event.key === 'Enter' && event.target.matches('.pick input')) {
    event.preventDefault() // it would send the form
    rowLinks()[placeOf(rowLinks())].click()
  } else if (event.key === '?') document.querySelector('#keys')?.showPopover()
  else if (event.key === 'Escape' && !event.defaultPrevented) selection()?.reset()
})
