import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closestCourse } from '../../../src/shop/courses/closest-course.ts'

const KEYS = [
  'course-v1:edX+DemoX+Demo_Course',
  'course-v1:edX+DemoX+2026_Spring',
  'course-v1:Lernito+PY101+2026',
  'edX/Old/2014',
]
const CASES: Readonly<Record<string, [key: string, closest: string | null]>> = {
  'another letter case': ['COURSE-V1:EDX+DEMOX+DEMO_COURSE', 'course-v1:edX+DemoX+Demo_Course'],
  'a letter that is missing': ['course-v1:edX+DemoX+Demo_Cours', 'course-v1:edX+DemoX+Demo_Course'],
  'two letters in the wrong order': ['course-v1:Lernito+YP101+2026', 'course-v1:Lernito+PY101+2026'],
  'a key with a branch': ['course-v1:edX+DemoX+Demo_C0urse+branch@draft', 'course-v1:edX+DemoX+Demo_Course'],
  'another run of the same course': ['course-v1:edX+DemoX+Autumn_Course_of_2031', 'course-v1:edX+DemoX+Demo_Course'],
  'an old-style key': ['edX/Old/2015', 'edX/Old/2014'],
  'a key that the shop URL-encoded': ['course-v1%3aedX%2BDemoX%2BDemo_Course', 'course-v1:edX+DemoX+Demo_Course'],
  'a key that was URL-decoded once too often': ['course-v1:Lernito PY101 2026', 'course-v1:Lernito+PY101+2026'],
  'an old-style key that the shop URL-encoded': ['edX%2FOld%2F2014', 'edX/Old/2014'],
  'a key without the first part': ['edX+DemoX+Demo_Course', null],
  'a course that has only its organization and year in common': ['course-v1:Lernito+Go+2026', null],
  'a new course with a number as long': ['course-v1:Lernito+SQL99+2026', null],
  'a course of another organization': ['course-v1:Other+Thing+2026', null],
  'an empty key': ['', null],
}
for (const [what, [key, closest]] of Object.entries(CASES)) {
  test(`the closest course for ${what} is ${closest ?? 'none'}`, () => {
    assert.equal(closestCourse({ key, keys: KEYS }), closest)
  })
}

test('of two courses that are as close, the first one is offered', () => {
  const keys = ['course-v1:a+b+2025', 'course-v1:a+b+2026']
  assert.equal(closestCourse({ key: 'course-v1:a+b+2024', keys }), 'course-v1:a+b+2025')
})

test('an LMS without courses offers none', () => {
  assert.equal(closestCourse({ key: 'course-v1:a+b+c', keys: [] }), null)
})
