#!/usr/bin/env node
// JavaScript that old releases understand: a Node.js that is too old prints this message and not a syntax error.
import { existsSync } from 'node:fs'

const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  process.stderr.write(
    `lernito-openedx needs Node.js 24 or newer, and this is ${process.versions.node}. Install it from nodejs.org, or run "npm ci" in a checkout, which installs its own.\n`,
  )
  process.exit(1)
}
// A checkout runs its source, even if an older dist is there. The published package has no source.
const source = new URL('../src/cli/main.ts', import.meta.url)
import(existsSync(source) ? source.href : '../dist/src/cli/main.js')
