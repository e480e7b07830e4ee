// Times come as UTC and are shown in the reader's zone, with the full time on hover.

/** The pages are in English, so the reader's own kind of English, or the plainest one. Browsers may name odd ones. */
function english() {
  const own = navigator.languages.find((tag) => /^en(-[A-Za-z]{2})?$/.test(tag))
  return own ?? 'en-GB'
}

const short = new Intl.DateTimeFormat(english(), { dateStyle: 'medium', timeStyle: 'short' })
const full = new Intl.DateTimeFormat(english(), { dateStyle: 'full', timeStyle: 'long' })

function localize() {
  for (const element of document.querySelectorAll('time[datetime]:not([title])')) {
    const time = new Date(element.dateTime)
    element.title = `${full.format(time)} (${element.textContent})`
    element.textContent = short.format(time)
  }
}

localize()
document.addEventListener('htmx:after:swap', localize)
