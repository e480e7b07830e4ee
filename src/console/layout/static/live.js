// A list that updates itself waits while its reader is in it, so that nothing moves or vanishes under them.

/** Whether something in the region is focused or selected. */
function isRead(region) {
  const selection = document.getSelection()
  const isSelected = selection !== null && !selection.isCollapsed && selection.containsNode(region, true)
  return isSelected || region.contains(document.activeElement)
}

function hold(event) {
  const poll = event.target
  if (!(poll instanceof Element) || !poll.hasAttribute('data-waits-for-reader')) return
  const region = document.querySelector(poll.getAttribute('hx-target'))
  if (region !== null && (document.hidden || isRead(region))) event.preventDefault()
}

/** Shows what is only true where scripts run. */
function show() {
  for (const element of document.querySelectorAll('[data-scripted][hidden]')) element.hidden = false
}

document.addEventListener('htmx:before:request', hold)
document.addEventListener('htmx:before:swap', hold)
show()
document.addEventListener('htmx:after:swap', show)
