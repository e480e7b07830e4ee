/** The CPU time that this process has used, in ms. Unlike the time of a clock, it is the same on a busy machine. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
