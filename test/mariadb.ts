import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Connection, createConnection } from 'mysql2/promise'
import { freePort } from './package/ports.ts'

const USER = 'lernito'
export const PASSWORD = 'a p@ss:w/rd%' // says so if a URL is not decoded
const START_MS = 60_000 // the machine of CI runs other tests, too
const run = promisify(execFile) // not its twin that blocks: other tests of the process measure times meanwhile

const find = (program: string): string | null =>
  [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
    .map((folder) => join(folder, program))
    .find((file) => existsSync(file)) ?? null

/** What makes the data of a new server, what runs it, and the options that only this kind has. */
interface Kind {
  readonly install: readonly [program: string, ...options: string[]]
  readonly program: string
  readonly options: readonly string[]
  readonly withoutTls: string
  /** Makes the running server read its certificate again. */
  readonly reloadTls: string
}

function findKind(): Kind | null {
  const mysqld = process.env.MYSQLD
  if (mysqld !== undefined) {
    const options = ['--mysqlx=OFF', '--secure-file-priv=NULL', '--log-bin-trust-function-creators=1']
    return {
      install: [mysqld, '--initialize-insecure', '--secure-file-priv=NULL'],
      program: mysqld,
      options,
      withoutTls: '--tls-version=',
      reloadTls: 'alter instance reload tls',
    }
  }
  const program = find('mariadbd')
  const install = find('mariadb-install-db')
  if (program === null || install === null) return null
  return {
    install: [install, '--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve'],
    program,
    options: ['--innodb-log-file-size=32M'],
    withoutTls: '--skip-ssl',
    reloadTls: 'flush ssl',
  }
}

/** Why this machine can't run such a server; false if it can. */
export const NO_MARIADB =
  findKind() === null && 'no MariaDB on this machine; to run them: apt-get install mariadb-server'

/** A file system in memory, on Linux. */
const MEMORY = '/dev/shm'
/** Several times what a few servers need at once. */
const ROOM = 2 * 1024 ** 3

/**
 * Where the folders of servers are: in memory, if that has room. While others write gigabytes to a disk, one insert of 600
 * rows took more than the 5 s that the service waits for a statement, because the server flushes each file that it extends.
 */
async function parentOfServers(): Promise<string> {
  const { bavail, bsize } = await statfs(MEMORY).catch(() => ({ bavail: 0, bsize: 0 }))
  return bavail * bsize > ROOM ? MEMORY : tmpdir()
}

/**
 * A MariaDB server of its own in a new folder, on a free port of loopback; to be removed at the end. A MySQL instead,
 * where MYSQLD names its program. It offers TLS only if `tls` has its options for that. `parent`: where its folder is;
 * absent: see parentOfServers.
 */
export async function startMariaDb({
  tls,
  options: further = [],
  parent,
}: {
  tls?: readonly string[]
  options?: readonly string[]
  parent?: string
} = {}) {
  const kind = findKind()
  if (kind === null) throw new Error(String(NO_MARIADB))
  const folder = await mkdtemp(join(parent ?? (await parentOfServers()), 'lernito-mariadb-'))
  const user = userInfo().username
  const data = join(folder, 'data')
  const [install, ...options] = kind.install
  // A MariaDB that starts deletes what others have in the folder for temporary tables, also one that is just made.
  const env = { ...process.env, TMPDIR: folder }
  await run(install, ['--no-defaults', `--datadir=${data}`, `--user=${user}`, ...options], { env })
  const port = await freePort()
  const args = [
    '--no-defaults',
    `--datadir=${data}`,
    `--user=${user}`,
    `--socket=${join(folder, 'socket')}`,
    '--bind-address=127.0.0.1',
    `--port=${port}`,
    '--innodb-flush-log-at-trx-commit=1',
    '--innodb-buffer-pool-size=64M',
    '--performance-schema=OFF',
    '--skip-name-resolve',
    '--lower-case-table-names=0',
    '--max-connections=200',
    ...kind.options,
    ...(tls ?? [kind.withoutTls]),
    ...further,
  ]
  let child: ChildProcess | null = null

  const root = (): Promise<Connection> =>
    createConnection({ user: 'root', socketPath: join(folder, 'socket'), multipleStatements: true })

  /** Runs statements as root. */
  const administer = async (sql: string): Promise<unknown> => {
    const connection = await root()
    try {
      const [rows] = await connection.query(sql)
      return rows
    } finally {
      await connection.end()
    }
  }

  const start = async (): Promise<void> => {
    const started = spawn(kind.program, args, { env, stdio: 'ignore' })
    child = started
    process.once('exit', () => started.kill('SIGKILL'))
    for (const end = Date.now() + START_MS; ; await delay(50)) {
      if (started.exitCode !== null) throw new Error(`${kind.program} ended with ${started.exitCode}`)
      // A table is read, because a node of Galera that is not ready yet answers what needs none.
      const ready = await administer('select 1 from mysql.user limit 1').then(
        () => true,
        () => false,
      )
      if (ready) return
      if (Date.now() > end) throw new Error(`${kind.program} did not start`)
    }
  }

  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
  }

  const urlOf = (name: string): string => `mysql://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/${name}`

  const remove = async (): Promise<void> => {
    await stop('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  }

  let count = 0
  try {
    await start()
    await administer(
      `create user ${USER}@'%' identified by '${PASSWORD}'; grant all on \`lernito\\_%\`.* to ${USER}@'%';`,
    )
  } catch (error) {
    await remove() // nobody else can: a server that goes on would keep the process of the tests from ending
    throw error
  }
  return {
    port,
    administer,
    start,
    stop,
    reloadTls: () => administer(kind.reloadTls),
    signal: (signal: NodeJS.Signals): void => {
      child?.kill(signal)
    },
    /** The name and URL of a database that does not exist yet; the user may use it. */
    newName: (): { name: string; url: string } => {
      const name = `lernito_${++count}`
      return { name, url: urlOf(name) }
    },
    /** A new and empty database. */
    newDatabase: async (): Promise<{ url: string; remove: () => Promise<void> }> => {
      const name = `lernito_${++count}`
      await administer(`create database ${name} character set latin1`) // our tables say what they need
      return { url: urlOf(name), remove: async () => void (await administer(`drop database if exists ${name}`)) }
    },
    remove,
  }
}
export type MariaDb = Awaited<ReturnType<typeof startMariaDb>>

/** Has `declare` declare the tests of a file on a server for all of them. Without MariaDB, `what` counts as left out. */
export async function onMariaDb(what: string, declare: (server: MariaDb) => void | Promise<void>): Promise<void> {
  if (NO_MARIADB) return void test(what, { skip: NO_MARIADB })
  const server = await startMariaDb()
  after(server.remove)
  await declare(server)
}
