import { getRequest, type LmsRequest } from '../client/transport.ts'

/**
 * The longest path, in bytes. Tutor's uWSGI has 8,192 for a request and cuts the connection of a larger one. It names the
 * query twice there, beside the token, which takes 1,000 to 1,600, and what proxies add (see sandbox/stand-in.ts). gunicorn
 * refuses a request line of more than 4,094 (recorded: people-lists.json, '100 long addresses').
 */
export const PATH_BYTES = 2800

/**
 * Whether a call about several people can have a user name. For one name with other characters, the LMS refuses the whole
 * call (recorded: people-lists.json, 'an invalid user name among them …').
 */
export const listCanNameUser = (username: string): boolean => /^[A-Za-z0-9_-]+$/.test(username)

/** Divides texts into groups, in their order, each as large as `fits` allows. One text alone always is a group. */
export function groupsThatFit(texts: readonly string[], fits: (group: readonly string[]) => boolean): string[][] {
  const groups: string[][] = []
  for (const text of texts) {
    const last = groups.at(-1)
    if (last !== undefined && fits([...last, text])) last.push(text)
    else groups.push([text])
  }
  return groups
}

/** People of one course. */
export interface PeopleOfCourse {
  readonly course: string
  readonly usernames: readonly string[]
}

/**
 * The requests of an API that tells something of several people in one course. All have names that listCanNameUser accepts.
 * @param of.most how many people a call may have
 * @param of.query what it has besides them
 */
export function peopleRequests(of: { endpoint: string; most: number; query?: Readonly<Record<string, string>> }) {
  const { endpoint, most, query = {} } = of
  const requestOf = ({ course, usernames }: PeopleOfCourse): LmsRequest =>
    getRequest(endpoint, { query: { course_id: course, username: usernames.join(','), ...query } })
  const fits = (of: PeopleOfCourse): boolean => of.usernames.length <= most && requestOf(of).path.length <= PATH_BYTES
  return {
    /** Divides people into groups that each fit in one call for this course. */
    groups: ({ course, usernames }: PeopleOfCourse): string[][] =>
      groupsThatFit(usernames, (some) => fits({ course, usernames: some })),
    /** @throws Error for a name that listCanNameUser rejects, and for more than fit */
    request: (of: PeopleOfCourse): LmsRequest => {
      if (!of.usernames.every(listCanNameUser)) throw new Error('the LMS refuses a call with this user name')
      if (!fits(of)) throw new Error('too many people for one call: divide them into groups')
      return requestOf(of)
    },
  }
}
