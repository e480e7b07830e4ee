import { TEXTS } from './texts.ts'

/** A time zone as readers have it. Without JavaScript, a browser doesn't tell, and the console shows UTC. */
export interface Zone {
  /** Its IANA name, such as Europe/Madrid. */
  readonly name: string
  /** How far its clocks are ahead of UTC at a time (ms since 1970), in ms. */
  readonly offsetAt: (at: number) => number
  /** Writes a time (ms since 1970) in this zone. */
  readonly format: (look: Look, at: number) => string
}

/** How a page writes a time, or the beginning of a bar of the chart. */
export type Look = keyof typeof LOOKS

const LOOKS = {
  hour: { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' },
  minutes: { dateStyle: 'medium', timeStyle: 'short' },
  ago: { dateStyle: 'medium', timeStyle: 'short' },
  seconds: { dateStyle: 'medium', timeStyle: 'medium' },
  clock: { timeStyle: 'short' },
  time: { timeStyle: 'medium' },
  date: { dateStyle: 'medium' },
  day: { day: 'numeric', month: 'short' },
  weekday: { weekday: 'short', day: 'numeric', month: 'short' },
  weekdayOfYear: { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
/**
 * The zones that were asked for, by their names in lower case. Formats are slow to make, and leave memory behind that Node.js
 * takes long to free. Anyone can send a cookie with a zone, so each is made once: there are some 600.
 */
const kept = new Map<string, Zone>()

/**
 * Writes the times in a page (see timeHtml) in a zone. They are written in UTC first, because only the request knows the
 * zone. No text that a sender chose can pass for a time: its `<` is escaped.
 */
export function timesIn({ name, format }: Zone, page: string): string {
  if (name === 'UTC') return page
  return page.replaceAll(
    /(<time datetime="([\dT:.Z-]+)" data-look="(\w+)">)[^<]*/g,
    (_all, start: string, at: string, look: string) => start + format(isLook(look) ? look : 'minutes', Date.parse(at)),
  )
}

const isLook = (look: string): look is Look => look in LOOKS

/** Returns the zone with this name; UTC if there is none, or if this Node.js doesn't know it. */
export function zoneOf(name: string | undefined): Zone {
  if (name === undefined || !/^[A-Za-z][\w+\-/]{0,63}$/.test(name)) return zoneOf('UTC')
  const key = name.toLowerCase()
  try {
    const zone = kept.get(key) ?? createZone(name)
    kept.set(key, zone)
    return { ...zone, name }
  } catch {
    return zoneOf('UTC')
  }
}

/** Throws RangeError for an unknown zone. */
function createZone(timeZone: string): Zone {
  const offset = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' })
  const formats = new Map<Look, Intl.DateTimeFormat>()
  return {
    name: timeZone,
    offsetAt: (at) => readOffset(offset.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? ''),
    format: (look, at) => {
      const format = formats.get(look) ?? new Intl.DateTimeFormat('en-GB', { ...LOOKS[look], timeZone })
      formats.set(look, format)
      return format.format(at)
    },
  }
}

/** Reads `GMT`, `GMT+05:30` or, of times before there were time zones, `GMT-00:14:44`. */
function readOffset(text: string): number {
  const [, sign, hours, minutes, seconds = '0'] = /([+-])(\d+):(\d+)(?::(\d+))?$/.exec(text) ?? []
  const ahead = ((Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60 + Number(seconds)) * 1000
  return sign === '-' ? -ahead : ahead
}

/** Returns the day of a time (ms since 1970) in a zone as `YYYY-MM-DD`, as all functions below have days. */
export const dayText = (at: number, zone: Zone): string => new Date(at + zone.offsetAt(at)).toISOString().slice(0, 10)

/** The day that is `days` after another one; negative: before it. */
export const later = (day: string, days: number): string =>
  new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10)

/**
 * Names a day for a heading: `Today, Fri 27 Nov`, `Sat 21 Nov`, or with the year if it isn't this one.
 * @param of.now ms since 1970
 */
export function dayName({ day, now, zone }: { day: string; now: number; zone: Zone }): string {
  const words = TEXTS.timeline.days
  const today = dayText(now, zone)
  const look = day.slice(0, 4) === today.slice(0, 4) ? 'weekday' : 'weekdayOfYear'
  const name = zone.format(look, startOf(day, zone)).replace(',', '')
  return day === today ? `${words.today}, ${name}` : day === later(today, -1) ? `${words.yesterday}, ${name}` : name
}

/** If the clocks skip midnight, the day begins with the first time that it has. */
function startOf(day: string, zone: Zone): number {
  const utc = Date.parse(day)
  const [before, after] = [utc - zone.offsetAt(utc - DAY_MS), utc - zone.offsetAt(utc + DAY_MS)]
  const candidates = [Math.min(before, after), Math.max(before, after)]
  return candidates.find((at) => dayText(at, zone) >= day) ?? before
}

/** Returns when a day begins in a zone, and when the next one does, in ms since 1970. It has 23 to 25 hours. */
export const dayIn = (day: string, zone: Zone): { from: number; to: number } => ({
  from: startOf(day, zone),
  to: startOf(later(day, 1), zone),
})

/** Returns the bounds of the days from one to another, with the end of the last one: ms since 1970. */
export function daysFrom({ first, last, zone }: { first: string; last: string; zone: Zone }): number[] {
  const count = (Date.parse(last) - Date.parse(first)) / DAY_MS + 1
  return Array.from({ length: count + 1 }, (_, i) => startOf(later(first, i), zone))
}

/** Returns the bounds of the hours between two times, ms since 1970. The last hour is shorter where the clocks change by less. */
export const hoursBetween = (from: number, to: number): number[] => [
  ...Array.from({ length: Math.ceil((to - from) / HOUR_MS) }, (_, i) => from + i * HOUR_MS),
  to,
]
