import { start, temporaryFolder, until } from '../service/process.ts'

/** Starts the sandbox on free ports. The addresses are those that it prints. */
export async function startSandbox({
  t,
  args = [],
  env = {},
}: {
  t: Parameters<typeof temporaryFolder>[0]
  args?: readonly string[]
  env?: Record<string, string>
}): Promise<{ service: string; lms: string; welcome: string }> {
  const free = ['sandbox', '--port', '0', '--service-port', '0']
  const { stdout } = start({ t, args: [...free, ...args], env: { TMPDIR: temporaryFolder(t), ...env } })
  const welcome = await until('the welcome', () => /^lernito-openedx is running.*^Ctrl\+C/ms.exec(stdout())?.[0])
  const [service = '', lms = ''] = ['Webhook', 'Stand-in LMS'].map(
    (what) => new RegExp(`^ *${what} +(http://[^/]+)`, 'm').exec(welcome)?.[1],
  )
  return { service, lms, welcome }
}
