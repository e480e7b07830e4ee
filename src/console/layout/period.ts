import { html } from 'ghtml'
import { fill, TEXTS } from './texts.ts'
import { dayIn, daysFrom, dayText, hoursBetween, later, type Zone } from './zone.ts'

const words = TEXTS.period
/** The overview shows no more, since it draws a bar for each day. */
const DAYS_MAX = 366
const DEFAULT_DAYS = 30
/** Of so many days at most, the chart has a bar for each hour. */
const DAYS_BY_HOUR = 2

/** The first and the last day of receiving, `YYYY-MM-DD` in the reader's zone; '' if the period is open there. */
export interface Period {
  readonly from: string
  readonly to: string
}

/** The periods to choose from. Those that last until now are open, so that sales of tomorrow are in them tomorrow. */
function periodsOf({ now, zone }: { now: number; zone: Zone }) {
  const today = dayText(now, zone)
  const month = `${today.slice(0, 8)}01`
  const lastDay = later(month, -1)
  return [
    { name: 'today', from: today, to: '' },
    { name: 'week', from: later(today, -6), to: '' },
    { name: 'days', from: later(today, 1 - DEFAULT_DAYS), to: '' },
    { name: 'month', from: month, to: '' },
    { name: 'lastMonth', from: `${lastDay.slice(0, 8)}01`, to: lastDay },
  ] as const
}

/**
 * Returns the period of the overview, with its ends and the bounds of its hours or days in ms since 1970. Without a first day
 * it is 30 days, and of more than 366 days it is the last ones. Days in the wrong order count as none.
 */
export function boundsOf(asked: Period, { now, zone }: { now: number; zone: Zone }) {
  const today = dayText(now, zone)
  const end = asked.to === '' ? today : asked.to
  const asFrom = asked.from === '' ? later(end, 1 - DEFAULT_DAYS) : asked.from
  if (asFrom > end) return boundsOf({ from: '', to: '' }, { now, zone })
  const [first = end] = [asFrom, later(end, 1 - DAYS_MAX)].sort().reverse()
  const period = { from: first, to: asked.to }
  const days = daysFrom({ first, last: end, zone })
  const [from, to] = [dayIn(first, zone).from, dayIn(end, zone).to]
  const by = days.length - 1 > DAYS_BY_HOUR ? ('day' as const) : ('hour' as const)
  const bounds = by === 'day' ? days : hoursBetween(from, to)
  return { period, lastDay: end, by, bounds, from, to }
}

/**
 * Returns links to the usual periods.
 * @param of.href the address of this page with a period
 */
export function periodLinks(of: { period: Period; now: number; zone: Zone; href: (period: Period) => string }): string {
  const { period, now, zone, href } = of
  const periods = periodsOf({ now, zone })
  const current = periods.find(({ from, to }) => from === period.from && to === period.to) // a month can have 30 days
  const links = periods.map(({ name, from, to }) => {
    const mark = name === current?.name ? ' aria-current="true"' : ''
    return html`<li><a class="span" href="${href({ from, to })}"!${mark}>${words[name]}</a></li>`
  })
  return html`<ul class="periods" aria-label="${words.label}">!${links.join('')}</ul>`
}

/** Returns the same links with a form for any other period. */
export function periodHtml(of: Parameters<typeof periodLinks>[0]): string {
  const { period, zone, href } = of
  const action = href({ from: '', to: '' })
  return html`<div class="period">!${periodLinks(of)}<details class="dates"><summary class="button second">${words.other}</summary><div class="dates-panel"><form method="get" action="${action}" class="stack">!${dateFields(period, zone)}<button>${words.apply}</button></form></div></details></div>`
}

/** The two days, for a form. */
export const dateFields = ({ from, to }: Period, zone: Zone): string =>
  html`<label for="from">${fill(words.from, { zone: zone.name })}</label><input type="date" id="from" name="from" value="${from}">
<label for="to">${fill(words.to, { zone: zone.name })}</label><input type="date" id="to" name="to" value="${to}">`
