import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { control } from '../harness.ts'
import { watchLog } from '../log-watch.ts'
import { copyCheckout, openFolder, writeVersion } from '../package/installing.ts'
import { freePort } from '../package/ports.ts'
import { ROOT } from '../service/process.ts'
import { docker, portOf, RUN, remove, shell, skipWithoutEngine, within } from './docker.ts'
import { createShop } from './shop.ts'
import { recordedCalls, worldOf } from './tutor-jobs.ts'

/** Where deploy/tutor/test.sh installs Tutor and what builds the plugin. */
const VENV = join(ROOT, 'deploy/tutor/.venv')
const LISTED = readFileSync(join(ROOT, 'deploy/tutor/tests/requirements/tutor-versions.txt'), 'utf8')
const VERSIONS = [...LISTED.matchAll(/^\S+/gm)].map(([version]) => version)
/** The oldest and the newest Tutor that the plugin is for. */
export const TUTORS: readonly string[] = [VERSIONS[0] ?? '', VERSIONS.at(-1) ?? '']

/** Without an engine or without Tutor these tests are left out. */
export const skipWithoutTutor =
  skipWithoutEngine || (existsSync(join(VENV, 'mark')) ? false : 'deploy/tutor/test.sh installs Tutor')

const PROJECT = `${RUN}-tutor`
const IMAGES = { openedx: `${RUN}-openedx`, permissions: `${RUN}-permissions` }

/** What the stand-in LMS doesn't need is left out as far as Tutor can. */
const SETTINGS = {
  LMS_HOST: 'local.openedx.io',
  PLUGINS: '[]',
  LOCAL_PROJECT_NAME: PROJECT,
  DOCKER_IMAGE_OPENEDX: IMAGES.openedx,
  DOCKER_IMAGE_PERMISSIONS: IMAGES.permissions,
  DOCKER_IMAGE_MYSQL: 'mysql:8.4',
  DOCKER_IMAGE_CADDY: 'caddy:2',
  RUN_MEILISEARCH: false,
  RUN_MONGODB: false,
  RUN_REDIS: false,
  RUN_SMTP: false,
}

/** The control API of the stand-in LMS. */
const OVERRIDE = 'services: {lms: {ports: ["127.0.0.1::8000"]}}\n'
/** Where manage.py records its calls. */
const jobsOverride = (calls: string): string =>
  `services: {lms-job: {volumes: ["${calls}:/calls"]}, cms-job: {volumes: ["${calls}:/calls"]}}\n`

function writeProgram(path: string, ...lines: readonly string[]): void {
  writeFileSync(path, ['#!/bin/bash', 'set -eu', ...lines, ''].join('\n'))
  chmodSync(path, 0o755)
}

/** Commands tutor and pip with this Tutor and a folder for the plugin; the client of docker gets what Debian's lacks. */
function writePrograms({ folder, version }: { folder: string; version: string }): Record<string, string> {
  const [bin, plugin, wheels, config] = ['bin', 'plugin', 'wheels', 'docker'].map((name) => join(folder, name))
  if (!bin || !plugin || !wheels || !config) throw new Error('no folders')
  mkdirSync(bin)
  writeProgram(join(bin, 'tutor'), `exec ${VENV}/tutor/bin/python ${VENV}/tutor-${version}/bin/tutor "$@"`)
  writeProgram(
    join(bin, 'pip'),
    `rm -rf ${plugin} ${wheels}`,
    `${VENV}/tools/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir ${wheels} "\${@: -1}"`,
    `${VENV}/tutor/bin/pip install --quiet --no-deps --target ${plugin} ${wheels}/*.whl`,
  )
  const { DOCKER_CONFIG, CONTAINERS_ENGINE } = process.env
  if (CONTAINERS_ENGINE !== undefined) {
    mkdirSync(join(config, 'cli-plugins'), { recursive: true })
    symlinkSync(join(DOCKER_CONFIG ?? '', 'cli-plugins/docker-compose'), join(config, 'cli-plugins/docker-compose'))
    symlinkSync(join(ROOT, 'deploy/containers/docker-buildx'), join(config, 'cli-plugins/docker-buildx'))
  }
  return {
    PATH: [bin, process.env.PATH].join(delimiter),
    PYTHONPATH: [plugin, join(VENV, `tutor-${version}`)].join(delimiter),
    ...(CONTAINERS_ENGINE === undefined ? {} : { DOCKER_CONFIG: config }),
  }
}

/** A machine with a Tutor, a copy of this checkout, and what replaces Tutor's images. */
export function prepareTutorSite(version: string) {
  const { folder, remove: removeFolder } = openFolder('lernito-tutor-')
  const [checkout, root] = [join(folder, 'lernito-openedx'), join(folder, 'root')]
  copyCheckout(checkout)
  const env = {
    ...writePrograms({ folder, version }),
    TUTOR_ROOT: root,
    TUTOR_PLUGINS_ROOT: join(folder, 'plugins'),
  }
  const logged: string[] = []
  const images = new Set(Object.values(IMAGES))

  /** Runs lines of the README in the checkout, as an operator does. Returns what they print. */
  const inCheckout = (lines: string): Promise<string> => shell(lines, { cwd: checkout, env })
  /** The id of the one container of a service, running or not. */
  const container = async (service: string): Promise<string> => {
    const labels = [`com.docker.compose.project=${PROJECT}`, `com.docker.compose.service=${service}`]
    const filters = [...labels, 'com.docker.compose.oneoff=False'].flatMap((label) => ['--filter', `label=${label}`])
    return docker(['ps', '--all', '--quiet', ...filters])
  }
  const recorded = join(folder, 'calls')
  const calls = (): string[][] => recordedCalls(join(recorded, 'calls'))
  const keepLog = async (): Promise<void> => {
    logged.push(...(await docker(['logs', await container('lernito')])).split('\n'))
  }

  return {
    checkout,
    shell: inCheckout,
    container,
    calls,
    keepLog,
    /** Gives the checkout another version of service and plugin, as `git pull` does. */
    release: (version: string): void => {
      images.add(`lernito-openedx:${version}`)
      writeVersion(checkout, version)
      writeFileSync(join(checkout, 'deploy/tutor/tutorlernito/__about__.py'), `__version__ = "${version}"\n`)
    },
    configure: async (): Promise<void> => {
      const settings = { ...SETTINGS, CADDY_HTTP_PORT: `'127.0.0.1:${await freePort()}'` }
      const set = Object.entries(settings).map(([name, value]) => `--set "${name}=${value}"`)
      await inCheckout(`tutor config save ${set.join(' ')}`)
      writeFileSync(join(root, 'env/local/docker-compose.override.yml'), OVERRIDE)
      writeFileSync(join(root, 'env/local/docker-compose.jobs.override.yml'), jobsOverride(recorded))
      mkdirSync(recorded)
      // The jobs are another user.
      chmodSync(recorded, 0o777)
    },
    /** Builds what replaces Tutor's images, from the image of the service. */
    buildStandIns: async (): Promise<void> => {
      const service = (await inCheckout('tutor images printtag lernito')).trim()
      images.add(service)
      for (const [target, image] of Object.entries(IMAGES)) {
        const options = ['--build-arg', `SERVICE=${service}`, '--target', target, '--tag', image]
        const context = join(ROOT, 'deploy/containers/tutor')
        await docker(['build', '--quiet', ...options, context], { env: { DOCKER_BUILDKIT: '1' } })
      }
    },
    /** The stand-in LMS, with the users and applications that the jobs have made. */
    openLms: async () => {
      const api = control(`http://127.0.0.1:${await portOf(await container('lms'), 8000)}`)
      await within(30, 'the stand-in LMS', () => api.state())
      await api.reset(worldOf(calls()))
      return api
    },
    /** A shop with the address and the secret that `tutor lernito info` prints, through Tutor's Caddy. */
    openShop: async () => {
      const info = await inCheckout('tutor lernito info')
      const [, domain = ''] = /^Webhook URL +http:\/\/([^/]+)\/api\/lernito\/webhook\/$/m.exec(info) ?? []
      const [, secret = ''] = /^Webhook secret +(\S+)$/m.exec(info) ?? []
      const config = readFileSync(join(root, 'config.yml'), 'utf8')
      const saved = [...config.matchAll(/^(LERNITO_\w+): (.*)$/gm)].map(([, name, value]) => [name, value])
      watchLog({ lines: () => logged, env: { ...Object.fromEntries(saved), LERNITO_WEBHOOK_SECRET: secret } })
      return createShop({ domain, secret, port: await portOf(await container('caddy'), 80) })
    },
    clear: async (): Promise<void> => {
      await inCheckout('tutor local dc down --volumes --timeout 0').catch(() => {})
      // Only root may remove what other users of the containers have written.
      await docker(['run', '--rm', '--volume', `${root}:/root`, 'node:24-slim', 'rm', '-rf', '/root/data'])
      await remove({ images: [...images] })
      removeFolder()
    },
  }
}
export type TutorSite = ReturnType<typeof prepareTutorSite>
