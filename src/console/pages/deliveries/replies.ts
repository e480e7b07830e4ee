import { html } from 'ghtml'
import type { Account } from '../../../lms/apis/accounts.ts'
import type { Shown, Summary } from '../../../operators/find/listing.ts'
import { type DeliverySentence, deliverySentence, type Situation } from '../../../sale/delivery-sentence.ts'
import { courseOfReason, isStopped, REASONS } from '../../../sale/types.ts'
import { subjectText } from '../../../sale/words.ts'
import type { CourseName } from '../../layout/course-names.ts'
import { fill, TEXTS, textNamed } from '../../layout/texts.ts'
import replies from './replies.json' with { type: 'json' }

/** A text that an operator can send. */
export interface Reply {
  readonly to: 'replyToBuyer' | 'replyToShop'
  readonly text: string
}

/** What a reply depends on. `sentence`: what is true of the delivery. */
interface Answering {
  readonly delivery: Pick<Shown, 'id' | 'state' | 'request' | 'reason'>
  readonly sentence: Omit<DeliverySentence, 'fact' | 'next'>
  readonly lmsUrl: string
  /** A buyer reads only the name. */
  readonly courseName: CourseName
}

const LIST = new Intl.ListFormat('en-US')

/**
 * Returns what an operator can tell the buyer, and the shop, about a delivery: by its reason if it has one, else by
 * what is true of it now.
 */
export function repliesTo({ delivery, sentence, lmsUrl, courseName }: Answering): Reply[] {
  const { id, state, request } = delivery
  const unusable = sentence.unusable === null ? null : { code: sentence.unusable, subject: '' }
  const reason = isStopped(state) ? null : (delivery.reason ?? unusable)
  const about = reason === null ? null : courseOfReason(reason)
  const named = (keys: readonly string[]): string => LIST.format(keys.map((key) => courseName(key) ?? key))
  const values = {
    id,
    lms: lmsUrl,
    email: request?.email ?? '',
    as: sentence.isMoved ? replies.moved : fill(replies.as, { email: request?.email ?? '' }),
    courses: named(sentence.courses),
    course: named(about === null ? sentence.courses : [about]),
    inside: named(sentence.inside),
    subject: reason === null ? '' : subjectText(reason),
  }
  // Texts about a sale that isn't done speak of all of it.
  const isDoneInPart = values.inside !== '' && (reason !== null || state === 'queued')
  const besides = isDoneInPart ? `\n\n${fill(replies.besides, values)}` : ''
  const name = request?.name ?? ''
  const greeting = name === '' ? replies.greetingUnnamed : fill(replies.greeting, { name })
  const said = sentence.courses.length === 0 ? undefined : textNamed(replies.situations, sentence.situation)
  const { toBuyer: buyer, toShop: shop } =
    reason !== null ? REASONS[reason.code] : { toBuyer: said ?? null, toShop: null }
  return [
    ...(buyer === null || request === null
      ? []
      : [
          {
            to: 'replyToBuyer' as const,
            text: `${greeting}\n\n${fill(buyer, { ...values, subject: courseName(values.subject) ?? values.subject })}${besides}`,
          },
        ]),
    ...(shop === null ? [] : [{ to: 'replyToShop' as const, text: fill(shop, values) }]),
  ]
}

const WAITING: readonly Situation[] = ['not_registered', 'not_activated']
/** Whether a course of a sale waits for the buyer's account. */
export const isWaiting = ({ situation }: Pick<DeliverySentence, 'situation'>): boolean => WAITING.includes(situation)
/**
 * What keeps a person out of the courses, by the account that the LMS has, and out of the courses of which sales. The LMS
 * may have enrolled somebody who can't sign in before the account is activated. An enrolled buyer without an account has
 * another address now.
 */
const KEPT_OUT: Partial<Record<Account['status'], { situation: Situation; of: readonly Situation[] }>> = {
  unknown: { situation: 'not_registered', of: WAITING },
  inactive: { situation: 'not_activated', of: [...WAITING, 'enrolled', 'partly_enrolled'] },
}

/**
 * Returns what to write to a person who has to register or to activate the account, about all courses that are then on the
 * dashboard; null if there is none.
 * @param of.sales those of the person, the latest first
 * @param of.status of the account that the LMS has now
 */
export function accountReply({
  sales,
  status,
  ...links
}: { sales: readonly Summary[]; status: Account['status'] } & Pick<Answering, 'lmsUrl' | 'courseName'>): Reply | null {
  const kept = KEPT_OUT[status]
  const bought = sales
    .filter(({ request }) => request !== null)
    .map((sale) => ({ sale, is: deliverySentence(sale) }))
    .filter(({ is }) => kept?.of.includes(is.situation))
  const [newest] = bought
  if (kept === undefined || newest === undefined) return null
  const courses = [...new Set(bought.flatMap(({ is }) => is.courses))]
  const sentence = { situation: kept.situation, courses, inside: [], isMoved: false, unusable: null }
  return repliesTo({ delivery: newest.sale, sentence, ...links }).find(({ to }) => to === 'replyToBuyer') ?? null
}

/** Shows a reply, to read and to copy. Without JavaScript, the text can be selected. */
export function replyHtml({ to, text }: Reply): string {
  const rows = Math.min(12, 3 + Math.ceil(text.length / 90))
  return html`<label for="reply-${to}" class="unseen">${TEXTS.delivery.reply[to]}</label><textarea id="reply-${to}" class="reply" rows="${rows}" cols="70" readonly>
${text}</textarea>`
}
