// "/" moves to the search field, as in other consoles. Escape leaves it, and closes the panel that the focus is in. The
// dates, which cover the list, also close by a click elsewhere. A closed panel keeps what was typed in it.

const isTyping = ({ target }) => target instanceof Element && target.closest('input, textarea, select') !== null
const openDates = () => document.querySelector('details.dates[open]')

function closePanel(focused) {
  const panel = (focused instanceof Element ? focused.closest('details[open]') : null) ?? openDates()
  if (panel === null) return
  panel.open = false
  panel.querySelector('summary').focus()
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
  if (event.target === search) search.blur()
  else closePanel(event.target)
})

document.addEventListener('click', ({ target }) => {
  const dates = openDates()
  if (dates !== null && target instanceof Node && !dates.contains(target)) dates.open = false
})
