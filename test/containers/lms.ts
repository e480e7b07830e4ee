import { control } from '../harness.ts'
import { docker, portOf, within } from './docker.ts'

/**
 * The stand-in LMS in containers of a network, as http://lms there. It listens on loopback only, so a Caddy in the same
 * network namespace forwards to it. Also returns its control API, which a port of this machine's loopback leads to.
 */
export async function startLmsContainers({ name, image, network }: { name: string; image: string; network: string }) {
  const [lms, door] = [`${name}-lms`, `${name}-door`]
  const published = ['--publish', '127.0.0.1::80']
  const sandbox = ['sandbox', '--lms-only', '--throttle', 'off']
  const at = ['--network', network, '--network-alias', 'lms']
  await docker(['run', '--detach', '--name', lms, '--no-healthcheck', ...at, ...published, image, ...sandbox])
  const forward = ['caddy', 'reverse-proxy', '--from', ':80', '--to', '127.0.0.1:8791']
  await docker(['run', '--detach', '--name', door, '--network', `container:${lms}`, 'caddy:2', ...forward])
  const api = control(`http://127.0.0.1:${await portOf(lms, 80)}`)
  await within(30, 'the stand-in LMS', () => api.state())
  return { ...api, containers: [door, lms] }
}
