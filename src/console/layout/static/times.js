// Pages have times in the reader's zone, or in UTC if the service doesn't know the zone yet. This script tells it with a
// cookie, writes recent times as the time since then, and adds the full time on hover.

/** Returns the reader's variant of English, since the pages are in English. Browsers may name languages that Intl rejects. */
function englishLocale() {
  const preferred = navigator.languages.find((tag) => /^en(-[A-Za-z]{2})?$/.test(tag))
  return preferred ?? 'en-GB'
}

/** Returns the reader's zone. A browser that can't find it out may give a name that Intl itself rejects. */
function ownZone() {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions()
  try {
    Intl.DateTimeFormat('en', { timeZone })
    return timeZone
  } catch {
    return 'UTC'
  }
}

/**
 * Returns the zone for the times of this page. A page with something that the service counted by days or hours is loaded
 * again when the service has just learned the zone. Others may be the answer to a form, and need no more than the name.
 */
function chooseZone() {
  const shown = document.documentElement.dataset.zone
  const own = ownZone()
  const told = () => document.cookie.split('; ').includes(`lernito_zone=${own}`)
  if (own === shown || told()) return shown // a service that was told and still uses UTC doesn't know the zone
  const path = new URL('../', document.currentScript.src).pathname
  const secure = location.protocol === 'https:' ? '; Secure' : ''
  // biome-ignore lint/suspicious/noDocumentCookie: over HTTP, there is no cookieStore
  document.cookie = `lernito_zone=${own}; Path=${path}; Max-Age=31536000; SameSite=Lax${secure}`
  if (told() && document.querySelector('[data-zoned]') !== null) location.reload()
  for (const name of document.querySelectorAll('[data-zone-name]')) name.textContent = own
  return own
}

const locale = englishLocale()
const timeZone = chooseZone()
const days = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeZone })
const minutes = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short', timeZone })
const seconds = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium', timeZone })
const clock = new Intl.DateTimeFormat(locale, { timeStyle: 'short', timeZone })
const exact = new Intl.DateTimeFormat(locale, { timeStyle: 'medium', timeZone })
const full = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'long', timeZone })
const utc = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' })
const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' })

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]
/** Older times are shown as dates, which fit into the lists. */
const RELATIVE_DAYS = 14

/** Returns "4 min ago", or the date of a time that is long past. */
function ago(time) {
  const past = (time - Date.now()) / 1000
  if (Math.abs(past) > RELATIVE_DAYS * 86_400) return days.format(time)
  const [unit, length] = UNITS.find(([, length]) => Math.abs(past) >= length) ?? ['second', 1]
  return relative.format(Math.round(past / length), unit)
}

const looks = {
  ago,
  minutes: (time) => minutes.format(time),
  seconds: (time) => seconds.format(time),
  clock: (time) => clock.format(time),
  time: (time) => exact.format(time),
  date: (time) => days.format(time),
}

function localize() {
  for (const element of document.querySelectorAll('time[datetime]')) {
    const time = new Date(element.dateTime)
    if (element.title === '') element.title = `${full.format(time)} (${utc.format(time)} UTC)`
    const text = (looks[element.dataset.look] ?? looks.minutes)(time)
    if (element.textContent !== text) element.textContent = text
  }
}

localize()
document.addEventListener('htmx:after:swap', localize)
setInterval(localize, 30_000)
