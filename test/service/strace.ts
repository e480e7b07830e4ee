import { spawnSync } from 'node:child_process'

const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0

/** Tests that trace system calls are left out where strace is missing. */
export const skipWithoutStrace = canTrace ? false : 'no strace on this machine; to run it: apt-get install strace'

/**
 * strace for a program and its threads, before the program's own command. The program, not strace, is the child process,
 * so that it gets the signals (-D).
 */
export const strace = (...options: readonly string[]): readonly [string, ...string[]] => [
  'strace',
  '-D',
  '-f',
  ...options,
]

/** A slow disk: each fsync of the program takes `ms` longer. */
export const delayFsyncs = (ms: number): readonly [string, ...string[]] =>
  strace(
    '--seccomp-bpf',
    '-o',
    '/dev/null',
    '-e',
    'trace=fsync,fdatasync',
    '-e',
    `inject=fsync,fdatasync:delay_enter=${ms * 1000}`,
  )
