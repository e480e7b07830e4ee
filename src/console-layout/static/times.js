// Pages contain times in UTC. This script shows them in the reader's zone, with the full time on hover.

/** Returns the reader's variant of English, since the pages are in English. Browsers may name languages that Intl rejects. */
function englishLocale() {
  const preferred = navigator.languages.find((tag) => /^en(-[A-Za-z]{2})?$/.test(tag))
  return preferred ?? 'en-GB'
}

const short = new Intl.DateTimeFormat(englishLocale(), { dateStyle: 'medium', timeStyle: 'short' })
const full = new Intl.DateTimeFormat(englishLocale(), { dateStyle: 'full', timeStyle: 'long' })

function localize() {
  for (const element of document.querySelectorAll('time[datetime]:not([title])')) {
    const time = new Date(element.dateTime)
    element.title = `${full.format(time)} (${element.textContent})`
    element.textContent = short.format(time)
  }
}

localize()
document.addEventListener('htmx:after:swap', localize)
