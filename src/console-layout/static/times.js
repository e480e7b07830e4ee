// Pages contain times in UTC. This script shows them in the reader's zone, with the full time on hover.

/** Returns the reader's variant of English, since the pages are in English. Browsers may name languages that Intl rejects. */
function englishLocale() {
  const preferred = navigator.languages.find((tag) => /^en(-[A-Za-z]{2})?$/.test(tag))
  return preferred ?? 'en-GB'
}

const locale = englishLocale()
const minutes = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' })
const seconds = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' })
const full = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'long' })
const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' })

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]
/** Older times are shown as dates. */
const RELATIVE_DAYS = 14

/** Returns "4 min ago", or the date of a time that is long past. */
function ago(time) {
  const past = (time - Date.now()) / 1000
  if (Math.abs(past) > RELATIVE_DAYS * 86_400) return minutes.format(time)
  const [unit, length] = UNITS.find(([, length]) => Math.abs(past) >= length) ?? ['second', 1]
  return relative.format(Math.round(past / length), unit)
}

const looks = { ago, minutes: (time) => minutes.format(time), seconds: (time) => seconds.format(time) }

function localize() {
  for (const element of document.querySelectorAll('time[datetime]')) {
    const time = new Date(element.dateTime)
    if (element.title === '') element.title = `${full.format(time)} (${element.textContent})`
    const text = (looks[element.dataset.look] ?? looks.minutes)(time)
    if (element.textContent !== text) element.textContent = text
  }
}

localize()
document.addEventListener('htmx:after:swap', localize)
setInterval(localize, 30_000)
