import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/**
 * Writes npm-shrinkwrap.json, which makes `npm install lernito-openedx` install the tested versions of all packages. It
 * is package-lock.json without the packages for development and without download addresses: users may have another
 * registry, and the hashes identify each package. `npm pack` runs it and removes the file afterwards, because in a
 * checkout npm would use it as the lock file.
 */
const ROOT = join(import.meta.dirname, '..')

const locked = z.looseObject({ dev: z.boolean().optional(), devOptional: z.boolean().optional() })
const lock = z
  .looseObject({ packages: z.record(z.string(), locked) })
  .parse(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')))

const packages = Object.entries(lock.packages)
  .filter(([, { dev, devOptional }]) => dev !== true && devOptional !== true)
  .map(([path, { resolved, devDependencies, ...kept }]) => [path, kept])

const shrinkwrap = { ...lock, packages: Object.fromEntries(packages) }
writeFileSync(join(ROOT, 'npm-shrinkwrap.json'), `${JSON.stringify(shrinkwrap, null, 2)}\n`)
