/** The grade of a person in a course: `percent` is a part of 1, as the LMS counts. */
export type Grade = { readonly passed: boolean; readonly percent: number }
/** A certificate in any state, such as `downloadable` or `unavailable`. `createdAt` is in ms since 1970. */
export type Certificate = { readonly status: string; readonly uuid: string; readonly createdAt: number }
export type Achievements = ReturnType<typeof createAchievements>

const NO_GRADE: Grade = { passed: false, percent: 0 }

/**
 * The grades and certificates of people in courses, which only the control API sets: nobody learns in the stand-in. `now`
 * gives ms since 1970, `newUuid` 32 hexadecimal digits.
 */
export function createAchievements({ now, newUuid }: { now: () => number; newUuid: () => string }) {
  const grades = new Map<string, Grade>()
  const certificates = new Map<string, Certificate>()
  const keyOf = (personId: number, course: string): string => `${personId} ${course}`
  return {
    grade: (personId: number, course: string): Grade => grades.get(keyOf(personId, course)) ?? NO_GRADE,
    setGrade: (personId: number, course: string, grade: Grade): void => void grades.set(keyOf(personId, course), grade),
    certificate: (personId: number, course: string) => certificates.get(keyOf(personId, course)),
    /** Gives a certificate, or changes its status: a certificate keeps its time and its address. null: deletes it. */
    setCertificate: (personId: number, course: string, status: string | null): void => {
      const key = keyOf(personId, course)
      const before = certificates.get(key)
      if (status === null) certificates.delete(key)
      else certificates.set(key, { uuid: newUuid(), createdAt: now(), ...before, status })
    },
    reset: (): void => {
      grades.clear()
      certificates.clear()
    },
  }
}
