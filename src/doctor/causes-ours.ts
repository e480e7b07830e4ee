/**
 * What can be wrong. `says` is the cause in words; {names} in it are filled in. `plain` and `tutor` say what mends it:
 * commands are in backquotes and hold nothing that came from elsewhere, so that they can be copied. `tutor` is null
 * where it makes no difference.
 */
export interface Cause {
  readonly severity: 'warning' | 'failure'
  readonly says: string
  readonly plain: string
  readonly tutor: string | null
}

/** Of the service itself: its settings, its database and the clocks. */
export const OUR_CAUSES = {
  'settings.invalid': {
    severity: 'failure',
    says: '{line}',
    plain: 'Set it right in the environment of the service or in its `.env`, and restart it.',
    tutor:
      'The plugin fills in all that you have not set yourself: `tutor config save`. Change a value with `tutor config save --set NAME=VALUE`, then `tutor local start -d`.',
  },
  'settings.unknown': {
    severity: 'warning',
    says: '{name} is not a setting of this version and has no effect.',
    plain: 'Check its spelling, or remove it.',
    tutor: null,
  },
  'settings.plain_http': {
    severity: 'warning',
    says: '{name} is http:// to a public host: whoever is in between can read and change what is sent.',
    plain: 'Write https://.',
    tutor:
      '`tutor config save --unset LERNITO_LMS_URL` (it is http://lms:8000 then, inside its network) or `tutor config save --set LERNITO_NOTIFY_URL=https://…`, then `tutor local start -d`.',
  },
  'secret.short': {
    severity: 'warning',
    says: '{name} has fewer than 16 characters and could be guessed.',
    plain:
      'Make a new one with `openssl rand -hex 32` and give it to the shop. Until the shop signs with it, keep the old one as LERNITO_WEBHOOK_SECRET_PREVIOUS.',
    tutor: `\`tutor config save --set "LERNITO_WEBHOOK_SECRET_PREVIOUS='THE-OLD-ONE'" --set "LERNITO_WEBHOOK_SECRET='$(openssl rand -hex 32)'"\`, then \`tutor local start -d\`; \`tutor lernito info\` shows what to give to the shop.`,
  },
  'secret.space': {
    severity: 'warning',
    says: '{name} begins or ends with white space, which counts as part of it.',
    plain: "Remove it, unless the shop's has it too: every signature would be refused.",
    tutor: `\`tutor config save --set "LERNITO_WEBHOOK_SECRET='THE-SECRET'"\`, then \`tutor local start -d\`.`,
  },
  'secret.quoted': {
    severity: 'warning',
    says: '{name} stands in quotation marks, which count as part of it.',
    plain:
      "Remove them, unless the shop's has them too: every signature would be refused. The env_file of Docker, for example, does not take them off.",
    tutor: `\`tutor config save --set "LERNITO_WEBHOOK_SECRET='THE-SECRET'"\`, then \`tutor local start -d\`.`,
  },
  'secret.previous': {
    severity: 'warning',
    says: 'LERNITO_WEBHOOK_SECRET_PREVIOUS is still set: what is signed with the old secret is accepted.',
    plain: 'Remove it as soon as the shop signs with the new secret, and restart the service.',
    tutor:
      'As soon as the shop signs with the new secret: `tutor config save --unset LERNITO_WEBHOOK_SECRET_PREVIOUS`, then `tutor local start -d`.',
  },
  'database.not_writable': {
    severity: 'failure',
    says: "The database {name} can't be written: {reason}.",
    plain:
      'Let LERNITO_DATABASE_URL name a file in a folder of a local disk that the user of the service may write to. If doctor ran as another user than the service, run it as that one.',
    tutor: null,
  },
  'database.unreachable': {
    severity: 'failure',
    says: "The database {name} can't be reached: {reason}.",
    plain: 'Start it, check host and port in LERNITO_DATABASE_URL, and the firewall between.',
    tutor:
      '`tutor local start -d mysql`. If the database is outside Tutor: `tutor config printvalue MYSQL_HOST` and `tutor config printvalue MYSQL_PORT`.',
  },
  'database.access_denied': {
    severity: 'failure',
    says: 'The database {name} refuses the user or the password of LERNITO_DATABASE_URL.',
    plain:
      "Correct them (special characters of the password are written as %XX), or set the password in the database: `ALTER USER 'lernito'@'%' IDENTIFIED BY 'THE-PASSWORD'`.",
    tutor: '`tutor config save`, then `tutor local do init --limit=lernito` and `tutor local start -d`.',
  },
  'database.missing': {
    severity: 'failure',
    says: 'There is no database {name}.',
    plain: 'Make it, under the name that LERNITO_DATABASE_URL has: `CREATE DATABASE lernito CHARACTER SET utf8mb4`.',
    tutor: '`tutor local do init --limit=lernito`.',
  },
  'database.no_right': {
    severity: 'failure',
    says: 'The user of LERNITO_DATABASE_URL may not use the database {name}, or there is none of this name.',
    plain: "`GRANT ALL ON lernito.* TO 'lernito'@'%'`, with the database and the user of LERNITO_DATABASE_URL.",
    tutor: '`tutor local do init --limit=lernito`.',
  },
  'database.unusable': {
    severity: 'failure',
    says: "The database {name} can't be used: {reason}.",
    plain: 'Set right what it says. A damaged or foreign file: restore the backup, or name another file.',
    tutor: 'The log of the database may say more: `tutor local logs --tail=100 mysql`.',
  },
  'database.too_new': {
    severity: 'failure',
    says: 'The database was migrated by a newer version: it needs level {needed}, and this one knows {known}.',
    plain: 'Start that version or a newer one, or restore the backup from before the upgrade.',
    tutor: null,
  },
  'clock.off': {
    severity: 'warning',
    says: "The clock of {whose} is {difference} this machine's.",
    plain: 'Have all machines set their clocks by NTP: `timedatectl set-ntp true`.',
    tutor: null,
  },
  'clock.wrong': {
    severity: 'failure',
    says: "The clock of {whose} is {difference} this machine's: waiting times and tokens go wrong.",
    plain: 'Have all machines set their clocks by NTP: `timedatectl set-ntp true`.',
    tutor: null,
  },
} as const satisfies Record<string, Cause>
