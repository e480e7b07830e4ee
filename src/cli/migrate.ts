import { reasonOf } from '../database/availability.ts'
import { openDatabase } from '../database/database.ts'
import { migrate as migrateDatabase } from '../database/migrations/migrations.ts'
import { AppError } from '../service/lib/errors.ts'
import { readSettings } from '../service/settings/read.ts'
import { command, loadDotEnv } from './command.ts'

export const migrate = command({
  name: 'migrate',
  summary: 'bring the database up to date without running the service',
  help: `Brings the database up to date before the service starts, as the init job of an
installation does: creates the tables or migrates them to this version, and
prints the name of the database. "serve" does the same at its start. You can run
the command beside the service, and repeat it.

Usage: lernito-openedx migrate

The command checks all settings, which are those of "lernito-openedx serve
--help". The exit code is 0 if the database is up to date, otherwise 1.

Example:
  LERNITO_DATABASE_URL=mysql://lernito:…@mysql:3306/lernito … \\
    lernito-openedx migrate
`,
  options: {},
  run: async () => {
    loadDotEnv()
    const { settings } = readSettings({ env: process.env })
    const { LERNITO_DATABASE_URL: url, LERNITO_DATABASE_CA_FILE: ca } = settings
    const database = openDatabase({ url, ca, serve: false })
    try {
      await migrateDatabase({ database, now: Date.now })
    } catch (cause) {
      if (cause instanceof AppError) throw cause
      throw new AppError(
        'database.unreachable',
        `The database ${database.name} can't be used: ${reasonOf(cause)}. It must exist, and its user needs all rights in it; check LERNITO_DATABASE_URL.`,
        { cause },
      )
    } finally {
      await database.close()
    }
    process.stdout.write(`The database ${database.name} is up to date.\n`)
    return 0
  },
})
