import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SECRET } from '../harness.ts'
import { watchLog } from '../log-watch.ts'
import { copyCheckout, openFolder, writeVersion } from '../package/installing.ts'
import { docker, portOf, RUN, remove, shell } from './docker.ts'
import { startLmsContainers } from './lms.ts'
import { createShop } from './shop.ts'

/** Caddy's own authority issues certificates for names that end in this; for others it asks a public one. */
const DOMAIN = 'shop.lernito.internal'
const IMAGE = `${RUN}-compose`

/**
 * What differs from compose.yaml: ports that are free on any machine, and what a public name and certificate give
 * doctor inside: the way to Caddy, and trust in it.
 */
const OVERRIDE = `
services:
  lernito:
    image: ${IMAGE}
    networks: [default, lms]
    volumes: ["./authority:/authority:ro"]
    environment: {NODE_EXTRA_CA_CERTS: /authority/root.crt}
  caddy:
    ports: !override ["127.0.0.1::443"]
    networks: {default: {aliases: [${DOMAIN}]}}
networks:
  lms: {name: ${RUN}-lms, external: true}
`

const VALUES: Record<string, string> = {
  LERNITO_DOMAIN: DOMAIN,
  LERNITO_WEBHOOK_SECRET: SECRET,
  LERNITO_LMS_URL: 'http://lms',
  LERNITO_LMS_CLIENT_ID: 'lernito-client',
  LERNITO_LMS_CLIENT_SECRET: 'lernito-client-secret',
  LERNITO_MYSQL_PASSWORD: 'a1b2c3d4e5f6a7b8c9d0',
}

/** A copy of this checkout with .env filled in as the guide says, beside a stand-in LMS in containers. */
export function prepareSite() {
  const { folder: checkout, remove: removeCheckout } = openFolder('lernito-compose-')
  copyCheckout(checkout)
  const folder = join(checkout, 'deploy/docker')
  copyFileSync(join(folder, 'example.env'), join(folder, '.env'))
  const fillIn = (values: Record<string, string>): void => {
    const text = readFileSync(join(folder, '.env'), 'utf8')
    const filled = text.replace(/^(\w+)=.*$/gm, (line, name: string) =>
      values[name] === undefined ? line : `${name}=${values[name]}`,
    )
    writeFileSync(join(folder, '.env'), filled)
  }
  fillIn(VALUES)
  writeFileSync(join(folder, 'compose.override.yaml'), OVERRIDE)
  mkdirSync(join(folder, 'authority'))
  const project = { COMPOSE_PROJECT_NAME: RUN }
  const compose = (...args: readonly string[]): Promise<string> =>
    docker(['compose', ...args], { cwd: folder, env: project })
  const logged: string[] = []
  const database = `mysql://lernito:${VALUES.LERNITO_MYSQL_PASSWORD}@mysql:3306/lernito`
  watchLog({ lines: () => logged, env: { ...VALUES, LERNITO_DATABASE_URL: database } })
  let lmsContainers: readonly string[] = []

  return {
    checkout,
    folder,
    compose,
    /** Runs lines of a guide in deploy/docker, as an operator does. Returns their standard output. */
    shell: (lines: string): Promise<string> => shell(lines, { cwd: folder, env: project }),
    /** Gives the checkout another version, as `git pull` does. The packages are the same, so they aren't installed again. */
    release: (version: string): void => writeVersion(checkout, version),
    /** Writes another value into .env, as an operator does. */
    set: (name: string, value: string): void => fillIn({ [name]: value }),
    /** The stand-in LMS, which needs the image. */
    startLms: async () => {
      const lms = await startLmsContainers({ name: RUN, image: IMAGE, network: `${RUN}-lms` })
      lmsContainers = lms.containers
      return lms
    },
    createNetwork: () => docker(['network', 'create', `${RUN}-lms`]),
    /** The id of the one container of a service. */
    container: async (service: string): Promise<string> => {
      const ids = (await compose('ps', '--all', '--quiet', service)).split('\n')
      if (ids.length !== 1 || !ids[0]) throw new Error(`${service} has ${ids.length} containers`)
      return ids[0]
    },
    /** A shop that trusts only the certificate of this Caddy's authority. */
    openShop: async () => {
      const caddy = await compose('ps', '--quiet', 'caddy')
      const ca = await docker(['exec', caddy, 'cat', '/data/caddy/pki/authorities/local/root.crt'])
      writeFileSync(join(folder, 'authority/root.crt'), ca)
      return createShop({ domain: DOMAIN, port: await portOf(caddy, 443), ca })
    },
    clear: async (): Promise<void> => {
      logged.push(...(await compose('logs', '--no-log-prefix', 'lernito')).split('\n'))
      await compose('down', '--volumes', '--timeout', '0').catch(() => {})
      await remove({ containers: lmsContainers, networks: [`${RUN}-lms`], images: [IMAGE] })
      removeCheckout()
    },
  }
}
export type Site = ReturnType<typeof prepareSite>
