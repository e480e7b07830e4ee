/** Why a delivery did not succeed. */
export interface Reason {
  readonly code: ReasonCode
  /** What the reason is about: see ReasonRow. */
  readonly subject: string
  /** The course that it came up in, if that is known and the subject is another text. */
  readonly course?: string
}

/** What a reason means and says, to everyone who meets it. `{subject}` in a text is the subject of the Reason. */
interface ReasonRow {
  /**
   * The state that it leaves a delivery in. A sender's mistake is rejected: sending the same again can't help. What a
   * person can fix in the LMS needs attention: an operator replays the delivery afterwards. See decision 6.
   */
  readonly state: 'rejected' | 'needs_attention'
  /**
   * What `subject` holds: the key of a course that exists or could, as it was sent; another text that was sent as a key;
   * field errors as JSON; the message of the LMS or the fault in our own row; the address of another account; or nothing.
   * Only the first is free of personal data for certain.
   */
  readonly subject: 'course_key' | 'malformed_key' | 'field_errors' | 'message' | 'address' | 'nothing'
  /** What the sender is answered. Field errors take the place of their message. These texts are the contract. */
  readonly answer: { readonly status: 400 | 500; readonly message: string }
  /** What the shop's events say, where the answer doesn't fit. It never quotes a subject that may name a person. */
  readonly event?: string
  /** In a few words, for lists. */
  readonly name: string
  /** As a part of a sentence. Field errors, messages and the like follow it after a colon. */
  readonly text: string
  /** The same of deliveries in several courses, where "the course" in the place of the key is no sentence. */
  readonly many?: string
  /** Who has to act first, because a replay alone can't help. */
  readonly waitsFor: 'buyer' | 'shop' | null
  /** What an operator does about one delivery, and about many of them. */
  readonly todo: string
  readonly todoMany: string
  /** What an operator can tell the buyer, and the shop if it has to know. `repliesTo` fills the other placeholders. */
  readonly toBuyer: string
  readonly toShop: string | null
}

/** The answer to a sale that is stored and not done: it is not lost, so the shop's retry and ours both go on. */
export const NOT_YET = { status: 500, message: 'Internal server error' } as const satisfies ReasonRow['answer']

const TECHNICAL_PROBLEM =
  'Your purchase is complete, but we could not enroll you yet because of a technical problem. We are correcting this, and you hear from us as soon as you are enrolled.'

/** All reasons. The answers are the original plugin's, where it has one (recorded: lernito-webhook.json). */
const ROWS = {
  'payload.invalid': {
    state: 'rejected',
    subject: 'field_errors',
    answer: { status: 400, message: '{subject}' },
    event: 'The payload is invalid. The answer to the webhook says which fields.',
    name: 'Invalid fields',
    text: 'the shop sent invalid fields',
    waitsFor: 'shop',
    todo: 'If only the address or the course keys are wrong, correct this delivery. Otherwise the shop must correct the fields and send the sale again. The corrected sale is another delivery.',
    todoMany: 'The shop must correct the fields and send the sale again.',
    toBuyer:
      'We have received your purchase, but the data that the shop sent us is not complete. The shop has been told, and you hear from us as soon as you are enrolled.',
    toShop:
      'Delivery {id} was rejected because its payload is not valid: {subject}. Correct these fields, and send the sale again. Its X-Lernito-Signature or webhook-signature was right.',
  },
  'course_key.malformed': {
    state: 'rejected',
    subject: 'malformed_key',
    answer: { status: 400, message: 'Invalid course key format: {subject}' },
    name: 'Malformed course key',
    text: 'the shop sent a text that is not a course key',
    waitsFor: 'shop',
    todo: 'Correct this delivery, and correct the key in the shop. The corrected sale is another delivery.',
    todoMany: 'Correct the key of the product in the shop, and correct these deliveries.',
    toBuyer:
      'We have received your purchase, but the shop named a course that does not exist. We are correcting this, and you hear from us as soon as you are enrolled.',
    toShop:
      'Delivery {id} was rejected because “{subject}” is not a course key. A course key looks like course-v1:Org+Course+Run. Correct the product in the shop, and send the sale again.',
  },
  'course.missing': {
    state: 'needs_attention',
    subject: 'course_key',
    answer: { status: 400, message: 'Course {subject} does not exist' },
    name: 'No such course',
    text: 'the LMS has no course {subject}',
    many: 'the LMS has no course with the key that the shop sent',
    waitsFor: null,
    todo: 'If the key is right, create the course in the LMS and replay this delivery. If the key is wrong, correct this delivery: the page offers the closest key. Correct the key in the shop too.',
    todoMany: 'Create the course in the LMS, or correct the key of the product in the shop.',
    toBuyer:
      'We have received your purchase, but the course {subject} is not available on the learning platform yet. We are correcting this, and you hear from us as soon as you are enrolled.',
    toShop:
      'Delivery {id} names the course {subject}, which does not exist at {lms}. Check the course key of the product in the shop. Later sales with this key fail in the same way.',
  },
  'person.retired': {
    state: 'needs_attention',
    subject: 'nothing',
    answer: { status: 400, message: 'This email address belongs to a retired account and cannot be enrolled' },
    name: 'Account retired',
    text: 'the address belongs to a retired account',
    waitsFor: 'buyer',
    todo: 'The LMS never accepts this address again. Ask the buyer for another address, and correct this delivery.',
    todoMany: 'The LMS never accepts this address again. Ask the buyer for another one.',
    toBuyer:
      'Your purchase is complete, but the account with the address {email} was deleted at your request, and the learning platform never accepts this address again. Tell us another address, and we enroll you with that one.',
    toShop:
      'The buyer of delivery {id} used an address whose account was deleted. We ask the buyer for another address. You don’t need to send the sale again.',
  },
  'person.unenrolled': {
    state: 'needs_attention',
    subject: 'course_key',
    answer: { status: 400, message: 'This person was unenrolled from {subject} since the sale' },
    name: 'Unenrolled after the sale',
    text: 'the buyer was unenrolled from {subject} in the LMS after the sale',
    waitsFor: null,
    todo: 'If the person was refunded, mark this delivery as handled. If the unenrollment was a mistake, replay this delivery: a replay enrolls the person again.',
    todoMany: 'Mark refunded sales as handled. A replay enrolls the buyer again.',
    toBuyer:
      'According to our records you left the course {subject} after your purchase. If you want to continue, reply to this message, and we enroll you again.',
    toShop: null,
  },
  'person.other_account': {
    state: 'needs_attention',
    subject: 'address',
    answer: { status: 400, message: 'The LMS matches this email address to an account with another address' },
    name: 'Account has another address',
    text: 'the LMS matches the address to an account with another address',
    waitsFor: 'buyer',
    todo: 'Nobody was enrolled. Ask the buyer for another address, and correct this delivery.',
    todoMany: 'Ask the buyer for the address of their account, and correct the delivery.',
    toBuyer:
      'Your purchase is complete, but the learning platform has an account with an address that is almost the same as {email}. Tell us the exact address that you sign in with at {lms}, and we enroll you.',
    toShop:
      'The learning platform matches the address in delivery {id} to another account. We ask the buyer for the right address. You don’t need to send the sale again.',
  },
  'enrollment.missing': {
    state: 'needs_attention',
    subject: 'course_key',
    answer: NOT_YET,
    event: 'The person has an active account, and no enrollment in {subject}',
    name: 'No enrollment in the LMS',
    text: 'the buyer has an active account, and the LMS has no enrollment in {subject}',
    waitsFor: null,
    todo: 'The allowance was deleted in the LMS, or enrollment failed when the buyer activated the account. Replay this delivery: a replay enrolls the buyer. If the buyer was refunded, mark it as handled.',
    todoMany: 'The allowance was deleted, or enrollment failed at activation. A replay enrolls the buyer.',
    toBuyer:
      'Your purchase is complete, but your account at {lms} does not show the course yet: {courses}. We are enrolling you again. You don’t need to do anything.',
    toShop: null,
  },
  'course.mode_missing': {
    state: 'needs_attention',
    subject: 'course_key',
    answer: { status: 400, message: 'Course {subject} does not have the configured course mode' },
    name: 'Course mode missing',
    text: '{subject} does not have the course mode that LERNITO_COURSE_MODE names',
    waitsFor: null,
    todo: 'The buyer is enrolled in another mode, or has an allowance for one. Add the mode to the course in the LMS, or correct the setting and restart the service. Then replay this delivery: a replay changes the mode.',
    todoMany: 'Add the mode to the course in the LMS, or correct LERNITO_COURSE_MODE.',
    toBuyer:
      'You can begin with {courses} at {lms}. Your certificate track is not set yet. We are correcting this, and you don’t need to do anything.',
    toShop:
      'Delivery {id} names the course {subject}, which does not have the course mode that we enroll in. This is ours to correct. You don’t need to send the sale again.',
  },
  'lms.refused': {
    state: 'needs_attention',
    subject: 'message',
    answer: { status: 400, message: 'The LMS refused the enrollment: {subject}' },
    event: 'The LMS refused the enrollment',
    name: 'Refused by the LMS',
    text: 'the LMS refused the enrollment',
    waitsFor: null,
    todo: 'The course is full, closed, or has no free mode. Change the course in the LMS, and then replay this delivery.',
    todoMany: 'The course is full or closed. Change it in Studio, then replay.',
    toBuyer:
      'Your purchase is complete, but the learning platform does not accept further enrollments in the course right now. We are correcting this, and you hear from us as soon as you are enrolled.',
    toShop:
      'The learning platform refuses further enrollments for delivery {id}. If the course is full, stop selling it. You don’t need to send the sale again.',
  },
  'lms.blocked': {
    state: 'needs_attention',
    subject: 'message',
    answer: NOT_YET,
    event: 'Something in front of the LMS blocks this sale; an operator has to look at it',
    name: 'Blocked on the way to the LMS',
    text: 'the sale does not get through to the LMS',
    many: 'something in front of the LMS blocks the calls for the sale',
    waitsFor: null,
    todo: 'A firewall or proxy in front of the LMS takes this address or course key for an attack, or the LMS itself forbids this one call. Allow it there, and then replay this delivery.',
    todoMany: 'A firewall or proxy in front of the LMS blocks these sales. Allow them there, then replay.',
    toBuyer: TECHNICAL_PROBLEM,
    toShop:
      'A firewall of the learning platform blocks delivery {id}. This is ours to correct. You don’t need to send the sale again.',
  },
  'retries.exhausted': {
    state: 'needs_attention',
    subject: 'message',
    answer: NOT_YET,
    event: 'The LMS failed for three days; an operator has to look at it',
    name: 'Gave up after three days',
    text: 'the service retried for three days, and the last attempt failed',
    waitsFor: null,
    todo: 'Check the LMS log at the time of the last attempt. After you fix the cause, replay this delivery.',
    todoMany: 'Find the cause in the LMS log, then replay.',
    toBuyer: TECHNICAL_PROBLEM,
    toShop:
      'We could not enroll the buyer of delivery {id} for three days. We enroll the buyer after we fix the cause. You don’t need to send the sale again.',
  },
  'row.unreadable': {
    state: 'needs_attention',
    subject: 'message',
    answer: NOT_YET,
    event: 'The stored sale can not be read; an operator has to look at it',
    name: 'Stored delivery can’t be read',
    text: 'the stored delivery can’t be read',
    waitsFor: 'shop',
    todo: 'Let the shop send the same sale again: this overwrites the stored data. If several deliveries can’t be read, the database is damaged. Restore a backup.',
    todoMany: 'Let the shop send the sale again. If there are several, restore a backup.',
    toBuyer: TECHNICAL_PROBLEM,
    toShop: 'Our record of delivery {id} is damaged. Send the same sale again.',
  },
} satisfies Readonly<Record<string, ReasonRow>>

export type ReasonCode = keyof typeof ROWS
export const REASONS: Readonly<Record<ReasonCode, ReasonRow>> = ROWS

const isReasonCode = (text: string): text is ReasonCode => Object.hasOwn(ROWS, text)
/** In the order of the table. */
export const REASON_CODES: readonly ReasonCode[] = Object.keys(ROWS).filter(isReasonCode)

/** Returns the course key that a reason is about, as it was sent; null if it is about none, or if it isn't known. */
export function courseOfReason({ code, subject, course }: Reason): string | null {
  const kind = REASONS[code].subject
  return kind === 'course_key' || kind === 'malformed_key' ? subject : (course ?? null)
}

/** Returns a text of a reason with its subject. */
export const withSubject = (text: string, subject: string): string => text.replace('{subject}', () => subject)
