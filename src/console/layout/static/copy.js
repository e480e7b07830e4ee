// A button with data-copies copies the text of a field, or of another element.

document.addEventListener('click', async ({ target }) => {
  const button = target instanceof Element ? target.closest('button[data-copies]') : null
  if (button === null) return
  const element = document.getElementById(button.dataset.copies)
  try {
    await navigator.clipboard.writeText(element.value ?? element.textContent)
    button.textContent = button.dataset.copied
  } catch {
    // Without permission, or on an http page, the text is selected, so that the keyboard can copy it. Only then: updates
    // of the page wait for a reader who has selected something.
    if ('select' in element) element.select()
    else document.getSelection().selectAllChildren(element)
  }
})
