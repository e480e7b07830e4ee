/** A mail that the LMS sends to a learner about a course. Its text is Open edX's and is not kept. */
export type Mail = {
  readonly to: string
  readonly kind: 'enrolled' | 'invited' | 'unenrolled' | 'invitation_withdrawn'
  readonly subject: string
  readonly course: string
}

/** A mail that was sent, with the time, ms since 1970. */
export type SentMail = Mail & { readonly at: number }
export type Mails = ReturnType<typeof createMails>

const subjects = {
  enrolled: 'You have been enrolled in',
  invited: 'You have been invited to register for',
  unenrolled: 'You have been unenrolled from',
  // The two mails about leaving have the same subject (recorded: email-students.json, 'modify: unenroll the enrolled').
  invitation_withdrawn: 'You have been unenrolled from',
} as const

/** The mail of this kind about a course (recorded: email-students.json). */
export function mailAbout(kind: Mail['kind'], to: string, course: { id: string; name: string }): Mail {
  return { to, kind, subject: `${subjects[kind]} ${course.name}`, course: course.id }
}

/** The mails that the stand-in has sent, in order. `now` gives ms since 1970. */
export function createMails({ now }: { now: () => number }) {
  let sent: SentMail[] = []
  return {
    send: (mails: readonly Mail[]): void => {
      sent.push(...mails.map((mail) => ({ ...mail, at: now() })))
    },
    list: (): readonly SentMail[] => sent,
    reset: (): void => {
      sent = []
    },
  }
}
