import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Shown } from '../../../operators/find/listing.ts'
import { isWrongKey } from '../../../queue/correct.ts'
import { eventOfState } from '../../../queue/outbox/outbox.ts'
import { givenBack } from '../../../queue/replay.ts'
import { type DeliverySentence, nextText } from '../../../sale/delivery-sentence.ts'
import { isDone, isStopped, REASONS, type Reason, type Step } from '../../../sale/types.ts'
import { keptFacts } from '../../../sale/withdrawal-facts.ts'
import { type CourseName, factHtml, namedHtml } from '../../layout/course-names.ts'
import { copyButton, differenceHtml, factsHtml, hiddenFields, seenField, seenOf } from '../../layout/elements.ts'
import { durationText, stateHtml, testHtml, timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { handledHtml } from './handled-form.ts'
import { nextSteps } from './next-steps.ts'
import { type Reply, repliesTo, replyHtml } from './replies.ts'

const words = TEXTS.delivery
const outcomeWords = TEXTS.outcome

interface Box {
  readonly parts: PageParts
  readonly request: FastifyRequest
  readonly delivery: Shown
  readonly sentence: DeliverySentence
  readonly here: string
  /** The list that led to the page, as the end of an address: after a form, the page still knows it. */
  readonly list: string
  /** Why its last attempt failed, if it is retried; null if none did. */
  readonly failure: string | null
  /** The form that was sent with a problem; null: none was. */
  readonly sent: URLSearchParams | null
}

/** Returns the box at the top of a delivery's page: what is true of it, what an operator has to do, and the means. */
export function boxHtml(of: Box): string {
  const { delivery, sentence } = of
  const { state, source, unreadable } = delivery
  const actions = actionsHtml(of)
  if (unreadable !== null) {
    return html`<div class="note box bad"><h2>${outcomeWords.unreadable}</h2><p>${unreadable}</p>!${actions}</div>`
  }
  const isQueued = state === 'queued'
  const next = isQueued ? waitHtml(of) : ''
  // While the LMS can't be called, it isn't attempted, and what it waits for stands below.
  const follows = isQueued && of.parts.outage() !== null ? '' : nextText(sentence)
  // As on the overview: the buyer may still have what was to be taken away.
  const look = isStillIn(delivery) ? 'bad' : sentence.situation === 'lost' ? 'warning' : outcomeWords.grades[state]
  return html`<div class="note box ${look}"><div aria-live="polite"><h2>!${stateHtml(state)} !${testHtml(source)}</h2>
<p class="truth"><strong>!${factHtml(sentence, of.request.courseName)}</strong>${follows}</p>!${todoHtml(of)}!${similarHtml(of)}</div>!${next}!${actions}</div>`
}

function todoHtml({ delivery, parts: { followUpMs } }: Box): string {
  const reason = reasonOf(delivery)
  const isWritten = reason !== null && reason.subject !== '' && REASONS[reason.code].subject === 'message'
  const written = isWritten ? html`<p>“<bdi>${reason.subject}</bdi>”</p>` : ''
  const texts = [
    reason === null ? '' : REASONS[reason.code].todo,
    delivery.state === 'pre_enrolled' ? fill(outcomeWords.checkedEvery, { interval: durationText(followUpMs) }) : '',
  ].filter((text) => text !== '')
  return written + (texts.length === 0 ? '' : html`<p>${texts.join(' ')}</p>`)
}

/** Whether a withdrawal has left the buyer in a course, or failed. */
const isStillIn = (delivery: Shown): boolean => isDone(delivery.state) && keptFacts(delivery).length > 0

/** Why it is not enrolled; null where that is over. */
const reasonOf = ({ state, reason }: Pick<Shown, 'state' | 'reason'>): Reason | null =>
  isStopped(state) ? null : reason

/** The wrong key that was sold, and that of the existing one which it looks like; null if none does. */
function mistyped({ request, delivery }: Box): { readonly sold: string; readonly closest: string } | null {
  const reason = reasonOf(delivery)
  const closest = isWrongKey(reason?.code) ? request.closestCourse(reason?.subject ?? '') : null
  return reason === null || closest === null ? null : { sold: reason.subject, closest }
}

/** The key that was sold above the one that it looks like, each with the letters that differ. */
function similarHtml(of: Box): string {
  const keys = mistyped(of)
  if (keys === null) return ''
  const [sold, similar] = [differenceHtml(keys.sold, keys.closest), differenceHtml(keys.closest, keys.sold, 'good')]
  const name = of.request.courseName(keys.closest)
  const named = name === null ? '' : html` <strong><bdi>${name}</bdi></strong>`
  return factsHtml([
    [words.soldAs, sold],
    [words.looksLike, similar + named],
  ])
}

function waitHtml({ delivery, parts, failure }: Box): string {
  const outage = parts.outage()
  if (outage !== null) {
    const { kind, since, probeAt, failure } = outage
    const time = durationText(Math.max(0, parts.now() - since))
    return html`<p>${fill(outcomeWords.waits[kind], { time, reason: failure.message })} ${outcomeWords.probedAt} !${timeHtml(probeAt, 'seconds')}.</p>`
  }
  const { dueAt } = delivery
  const why = failure === null ? '' : html`${fill(outcomeWords.lastFailed, { failure: failure.replace(/\.$/, '') })} `
  // In the past, it is being attempted, or has its turn soon.
  const next =
    dueAt === null || dueAt <= parts.now() ? '' : html`${outcomeWords.nextAttemptAt} !${timeHtml(dueAt, 'seconds')}.`
  return why + next === '' ? '' : html`<p>!${why}!${next}</p>`
}

function actionsHtml(of: Box): string {
  const { delivery, sentence, parts, request } = of
  const { state, replacedBy } = delivery
  // About a replaced sale, there is nothing to tell: what came of it is on the page of the other.
  const isOver = replacedBy !== null && isStopped(state)
  const replies = isOver ? [] : repliesTo({ delivery, sentence, lmsUrl: parts.lmsUrl, courseName: request.courseName })
  const { first, second, more } = nextSteps({
    state,
    situation: sentence.situation,
    reason: delivery.reason?.code ?? sentence.unusable,
    isReplaced: replacedBy !== null,
    isStillIn: isStillIn(delivery),
    canWithdraw: (delivery.withdrawable?.courses.length ?? 0) > 0,
    canTellShop: parts.shopEvents !== null && eventOfState(state) !== null,
    replies: replies.map(({ to }) => to),
  })
  const step = (one: Step | null, look: string): string => (one === null ? '' : stepHtml({ ...of, replies }, one, look))
  const rest =
    more.length === 0
      ? ''
      : html`<details class="more" id="more"><summary class="button second">${words.more}</summary><div class="menu">!${more.map((one) => step(one, 'item')).join('\n')}</div></details>`
  const shown = replies.find(({ to }) => to === first)
  return html`<div class="actions">!${step(first, '')}
!${step(second, 'second')}
!${rest}</div>!${shown === undefined ? '' : replyHtml(shown)}`
}

/** @param look the class of its button: none for the next step */
function stepHtml(of: Box & { replies: readonly Reply[] }, step: Step, look: string): string {
  const { delivery, here, list } = of
  const seen = seenField(delivery.lastEvent)
  const id = `do-${step}`
  switch (step) {
    case 'replyToBuyer':
    case 'replyToShop': {
      const reply = of.replies.find(({ to }) => to === step)
      if (reply === undefined) return ''
      if (look === '') return copyButton({ copies: `reply-${step}`, label: words.copyReply[step], id })
      return html`<details class="reply" id="${id}"><summary class="button ${look}">${words.reply[step]}</summary>!${replyHtml(reply)}
!${copyButton({ copies: `reply-${step}`, label: words.copyReply[step], look: 'second' })}</details>`
    }
    case 'replay': {
      const undone = undoneHtml(delivery, of.request.courseName)
      return undone === ''
        ? html`<form method="post" action="${here}/replay${list}" id="${id}">!${seen}<button class="${look}">${words.replay}</button></form>`
        : html`<details id="${id}"><summary class="button ${look}">${isStopped(delivery.state) ? words.reopen : words.replayAll}</summary>
<form method="post" action="${here}/replay${list}" class="stack">!${seen}!${undone}
<button class="second">${words.replayAnyway}</button></form></details>`
    }
    case 'sendAgain':
      return html`<form method="post" action="${here}/send-again${list}" id="${id}">!${seen}<button class="${look}">${words.sendAgain}</button></form>`
    case 'correct':
      return correctHtml(of, { id, look, sent: seen })
    case 'withdraw':
      return html`<a class="button danger ${look}" id="${id}" href="${here}/withdraw">${words.withdraw}</a>`
    case 'handled':
      return html`<details id="${id}"!${of.sent === null ? '' : ' open'}><summary class="button ${look}">${delivery.state === 'handled' ? words.handledAgain : words.handled}</summary>
<form method="post" action="${here}/handled${list}" class="stack">!${seenField(seenOf(of.sent) ?? delivery.lastEvent)}!${handledHtml({ of: [delivery], sent: of.sent, isWide: false })}
<button class="second">${words.markHandled}</button></form></details>`
  }
}

/** What a replay takes back of what a person has done, so that nobody gives a refunded course back unawares; '' if nothing. */
export function undoneHtml(delivery: Pick<Shown, 'state' | 'lines'>, courseName: CourseName): string {
  const { state } = delivery
  const again = state === 'withdrawn' ? [] : givenBack(delivery)
  const courses = again.length === 0 ? '' : fill(words.givesBack, { courses: again.join(', ') })
  const reopened = isStopped(state) ? html`<p>${words.reopens[state]}</p>` : ''
  return courses === '' ? reopened : html`!${reopened}<p>!${namedHtml(courses, courseName)}</p>`
}

/** Where a missing course looks like an existing one, the way to the preview of the correction to that. */
function correctHtml(box: Box, of: { id: string; look: string; sent: string }): string {
  const { delivery, here } = box
  const { id, look, sent } = of
  const { request, state } = delivery
  const keys = mistyped(box)
  if (keys === null || request === null) {
    const code = reasonOf(delivery)?.code ?? box.sentence.unusable
    const about = code === null ? null : REASONS[code]
    const label =
      state === 'pre_enrolled' || about?.waitsFor === 'buyer'
        ? words.correctAddress
        : about?.subject.endsWith('_key')
          ? words.correctKey
          : words.correct
    return html`<a class="button ${look}" id="${id}" href="${here}/correct">${label}</a>`
  }
  const courses = request.courseIds.map((key) => (key === keys.sold ? keys.closest : key))
  const fields = hiddenFields({ email: request.email, courses: courses.join('\n'), step: 'preview' })
  return html`<form method="post" action="${here}/correct" id="${id}">!${sent}!${fields}<button class="${look}">${fill(words.correctTo, { course: box.request.courseName(keys.closest) ?? keys.closest })}</button></form>`
}
