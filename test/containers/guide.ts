import { codeBlocks, readDocument, section } from '../docs/documents.ts'

const INSTALL = readDocument('docs/how-to/install.md')
const BACKUP = readDocument('docs/how-to/back-up-and-restore.md')
const TUTOR = readDocument('deploy/tutor/README.md')

/** A block of a list is indented. */
const blocks = (text: string): string[] => codeBlocks(text.replaceAll(/^ +/gm, ''), 'sh')

/** Lists the deliveries of every state, where the guide lists those that wait. */
const ofEveryState = (code: string): string => code.replace('--state queued ', '')

/** The block of a guide's section that has this text. Throws unless there is exactly one. */
function block(page: string, heading: string, having: string): string {
  const found = blocks(section(page, heading)).filter((code) => code.includes(having))
  const [only] = found
  if (only === undefined || found.length > 1) throw new Error(`${heading} has ${found.length} blocks with ${having}`)
  return only
}

const line = (code: string, beginning: string): string => {
  const found = code
    .replaceAll('\\\n', '')
    .split('\n')
    .find((one) => one.startsWith(beginning))
  if (found === undefined) throw new Error(`the guide has no line that begins with ${beginning}`)
  return found
}

const docker = block(INSTALL, '## Docker', 'docker build')
const compose = block(INSTALL, '## Docker Compose', 'docker compose up')

/** The commands of the guides for Docker, for a container, an image and a volume of these names. */
export function dockerGuide({ container, image, volume }: { container: string; image: string; volume: string }) {
  const named = (code: string): string =>
    code
      .replaceAll(/docker (start|stop|rm|exec) lernito\b/g, `docker $1 ${container}`)
      .replaceAll('--name lernito ', `--name ${container} `)
      .replaceAll('-v lernito:', `-v ${volume}:`)
      .replaceAll(/(-t|settings\.env|--entrypoint \w+) lernito-openedx/g, `$1 ${image}`)
  const upgrade = /`(docker stop lernito [^`]*)`/.exec(readDocument('docs/how-to/upgrade.md'))?.[1] ?? ''
  return {
    build: named(line(docker, 'docker build')),
    run: named(line(docker, 'docker run')),
    doctor: named(block(INSTALL, '## Docker', 'doctor')),
    stopForUpgrade: named(upgrade),
    backup: named(block(BACKUP, '## Back up SQLite', 'docker stop')),
    restore: named(block(BACKUP, '## Restore', 'docker stop')),
    list: ofEveryState(named(block(BACKUP, '## Restore', 'docker run --rm -v lernito:/data --env-file'))),
  }
}

/** The commands of the guides for Docker Compose, to run in deploy/docker. */
export const composeGuide = {
  start: line(compose, 'docker compose up'),
  doctor: block(INSTALL, '## Docker Compose', 'doctor').replace('exec ', 'exec -T '),
  backup: block(BACKUP, '## Back up MySQL or MariaDB', 'docker compose'),
  restore: block(BACKUP, '## Restore', 'docker compose stop'),
  list: ofEveryState(block(BACKUP, '## Restore', 'docker compose run')).replace('run ', 'run -T '),
  changePassword: block(
    readDocument('docs/how-to/rotate-a-secret.md'),
    '## The password of the database',
    'docker compose',
  ).replace('exec ', 'exec -T '),
}

const withoutStopping = block(TUTOR, '## Install', 'tutor images build')

/** The commands of the Tutor plugin's README, to run in a checkout. */
export const tutorGuide = {
  install: block(TUTOR, '## Install', 'pip install').split('\n').slice(1).join('\n'),
  build: line(withoutStopping, 'tutor images build'),
  launch: `${block(TUTOR, '## Install', 'tutor local launch')} --non-interactive`,
  init: line(withoutStopping, 'tutor local do init'),
  doctor: block(TUTOR, '## Install', 'doctor'),
  firstSale: block(TUTOR, '### The first sale', 'send').replace('exec ', 'exec -T '),
  upgrade: block(TUTOR, '## Upgrade', 'tutor images build').replace('git pull\n', ''),
  remove: block(TUTOR, '## Remove', 'tutor plugins disable'),
}
