// The check box below the list of keys turns off those that are characters, for who speaks to the browser: it would type
// what it hears. The choice stays in this browser.

const OFF = 'lernito-character-keys-off'
const isOff = () => localStorage.getItem(OFF) !== null
const choice = document.querySelector('#character-keys')
if (choice !== null) {
  choice.checked = !isOff()
  choice.addEventListener('change', () =>
    choice.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, 'off'),
  )
}
// Comes before the other listeners, also those of rows.js.
document.addEventListener('keydown', (event) => event.key?.length === 1 && isOff() && event.stopPropagation(), true)

// "/" moves to the search field, as in other consoles. Escape leaves it, and closes the panel that the focus is in. The
// dates, which cover the list, also close by a click elsewhere. A closed panel keeps what was typed in it.

/** A check box takes no letters. */
const isTyping = ({ target }) =>
  target instanceof Element && target.closest('input:not([type=checkbox], [type=radio]), textarea, select') !== null
const openDates = () => document.querySelector('details.dates[open]')

function closePanel(focused) {
  const panel = (focused instanceof Element ? focused.closest('details[open]') : null) ?? openDates()
  if (panel === null) return false
  panel.open = false
  panel.querySelector('summary').focus()
  return true
}

document.addEventListener('keydown', (event) => {
  const search = document.querySelector('#q')
  if (event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === '/' && search !== null && !isTyping(event)) {
    event.preventDefault()
    search.focus()
    search.select()
  }
  if (event.key !== 'Escape' || event.isComposing) return
  // Else the browser would also empty the field, and rows.js clear the selection.
  if (event.target === search) {
    search.blur()
    event.preventDefault()
  } else if (closePanel(event.target)) event.preventDefault()
})

document.addEventListener('click', ({ target }) => {
  const dates = openDates()
  if (dates !== null && target instanceof Node && !dates.contains(target)) dates.open = false
})
