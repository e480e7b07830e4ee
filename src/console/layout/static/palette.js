// The search field of every page but the list of deliveries shows what is found while somebody types: a combobox whose
// list box is below it. The focus stays in the field, and the arrow keys choose. What the list shows is for the text in
// its data-for: if the field has another one already, Enter leads to the list of deliveries instead.

const palette = document.querySelector('#palette')

function usePalette(form) {
  const field = form.querySelector('#q')
  const box = form.querySelector('#hits')
  const options = () => [...box.querySelectorAll('[role=option]')]
  const chosen = () => box.querySelector('[role=option][aria-selected=true]')
  const isOpen = () => !box.hidden
  const isCurrent = () => box.querySelector('[data-for]')?.dataset.for === field.value.trim()

  function choose(option) {
    for (const one of options()) one.setAttribute('aria-selected', String(one === option))
    if (option === undefined) field.removeAttribute('aria-activedescendant')
    else {
      field.setAttribute('aria-activedescendant', option.id)
      option.scrollIntoView({ block: 'nearest' })
    }
  }

  function show(isShown) {
    box.hidden = !isShown
    field.setAttribute('aria-expanded', String(isShown))
    if (isShown) field.setAttribute('aria-controls', 'hit-list')
    else {
      field.removeAttribute('aria-controls')
      choose(undefined)
    }
  }

  function close() {
    if (isOpen()) form.querySelector('#hits-said').textContent = ''
    show(false)
  }

  function showAnswer() {
    if (!isCurrent() || !form.contains(document.activeElement)) return
    options().forEach((option, index) => {
      option.id = `hit-${index}`
    })
    show(true)
    choose(options()[0])
    form.querySelector('#hits-said').textContent = box.querySelector('[data-said]').dataset.said
  }

  function move(by) {
    const all = options()
    choose(all[(all.indexOf(chosen()) + by + all.length) % all.length])
  }

  const keys = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => chosen().click(),
    Escape: close,
  }

  field.setAttribute('role', 'combobox')
  field.setAttribute('aria-autocomplete', 'list')
  show(false)
  field.addEventListener('keydown', (event) => {
    const act = keys[event.key]
    if (act === undefined || event.isComposing || !isOpen()) return
    if (event.key === 'Enter' && !isCurrent()) return
    event.preventDefault()
    event.stopPropagation() // the next Escape leaves the field
    act()
  })
  field.addEventListener('input', () => {
    if (field.value.trim() === '') close()
  })
  field.addEventListener('focus', () => {
    if (field.value.trim() !== '') showAnswer()
  })
  form.addEventListener('focusout', ({ relatedTarget }) => {
    if (relatedTarget !== null && !form.contains(relatedTarget)) close()
  })
  form.addEventListener('htmx:after:swap', showAnswer)
  document.addEventListener('pointerdown', ({ target }) => {
    if (!form.contains(target)) close()
  })
}

if (palette !== null) usePalette(palette)
