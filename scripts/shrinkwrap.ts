import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/**
 * Writes npm-shrinkwrap.json, by which `npm install lernito-openedx` takes the packages that were tested and no newer
 * ones. It is package-lock.json without what is only for development and without where each package was downloaded from:
 * every user has a registry of their own, and the hashes say what is right. npm runs it when it packs and removes the
 * file afterwards, since in a checkout npm would take it for the lock file.
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
