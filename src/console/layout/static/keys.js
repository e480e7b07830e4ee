// "/" moves to the search field, as in other consoles. Escape leaves it.

const isTyping = ({ target }) => target instanceof Element && target.closest('input, textarea, select') !== null

document.addEventListener('keydown', (event) => {
  const search = document.querySelector('#q')
  if (search === null || event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === '/' && !isTyping(event)) {
    event.preventDefault()
    search.focus()
    search.select()
  }
  if (event.key === 'Escape' && event.target === search) search.blur()
})
