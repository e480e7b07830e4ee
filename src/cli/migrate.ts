import { reasonOf } from '../database/availability.ts'
import { openDatabase } from '../database/database.ts'
import { migrate as migrateDatabase } from '../database/migrations/migrations.ts'
import { AppError } from '../service/lib/errors.ts'
import { readSettings, SETTINGS_SCHEMA } from '../service/settings/settings.ts'
import { command, loadDotEnv } from './command.ts'

export const migrate = command({
  name: 'migrate',
  options: {},
  run: async () => {
    loadDotEnv()
    const settings = readSettings({ env: process.env, schema: SETTINGS_SCHEMA })
    const { LERNITO_DATABASE_URL: url, LERNITO_DATABASE_CA_FILE: ca } = settings
    const database = openDatabase({ url, ca, serve: false })
    try {
      await migrateDatabase({ database, now: Date.now })
    } catch (cause) {
      if (cause instanceof AppError) throw cause
      throw new AppError(
        'database.unreachable',
        `The database ${database.name} can't be used: ${reasonOf(cause)}. Check LERNITO_DATABASE_URL: the database must exist, and its user needs all rights in it.`,
        { cause },
      )
    } finally {
      await database.close()
    }
    process.stdout.write(`The database ${database.name} is up to date.\n`)
    return 0
  },
})
