// Pages have times in the reader's zone, or in UTC if the service doesn't know the zone yet. This script tells it with a
// cookie, writes recent times as the time since then, and adds the full time on hover.

const LOCALE = 'en-GB' // as the service writes all other times
const timeZone = document.documentElement.dataset.zone

/** Returns the reader's zone. A browser that can't find it out may give a name that Intl itself rejects. */
function ownZone() {
  const { timeZone: own } = Intl.DateTimeFormat().resolvedOptions()
  try {
    Intl.DateTimeFormat(LOCALE, { timeZone: own })
    return own
  } catch {
    return 'UTC'
  }
}

/** Tells the service the reader's zone. The page is then loaded again, unless it is an answer that comes once. */
function tellZone() {
  const own = ownZone()
  const told = () => document.cookie.split('; ').includes(`lernito_zone=${own}`)
  if (own === timeZone || told()) return // a service that was told and still uses UTC doesn't know the zone
  const path = new URL('../', document.currentScript.src).pathname
  const secure = location.protocol === 'https:' ? '; Secure' : ''
  // biome-ignore lint/suspicious/noDocumentCookie: over HTTP, there is no cookieStore
  document.cookie = `lernito_zone=${own}; Path=${path}; Max-Age=31536000; SameSite=Lax${secure}`
  if (told() && !document.documentElement.hasAttribute('data-answer')) location.reload()
}
tellZone()

const days = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeZone })
const full = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'full', timeStyle: 'long', timeZone })
const utc = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' })
// Not “yesterday”, which 30 hours ago may not be.
const relative = new Intl.RelativeTimeFormat(LOCALE, { style: 'short' })

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
  const count = Math.trunc(past / length)
  return count === 0 ? 'now' : relative.format(count, unit)
}

function localize() {
  for (const element of document.querySelectorAll('time[datetime]')) {
    const time = new Date(element.dateTime)
    if (element.title === '') element.title = `${full.format(time)} (${utc.format(time)} UTC)`
    const text = element.dataset.look === 'ago' ? ago(time) : element.textContent
    if (element.textContent !== text) element.textContent = text
  }
}

localize()
document.addEventListener('htmx:after:swap', localize)
setInterval(localize, 30_000)
