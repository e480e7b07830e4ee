/**
 * What can be wrong. `message` states the cause and its effect; {names} in it are filled in. `plain` and `tutor` state
 * the fix: commands are in backquotes and hold nothing from outside, so that they are safe to copy. `tutor` is null if
 * the fix is the same with Tutor.
 */
export interface Cause {
  readonly severity: 'warning' | 'failure'
  readonly message: string
  readonly plain: string
  readonly tutor: string | null
}

/** The causes in the service itself: its settings, its database and the clocks. */
export const OUR_CAUSES = {
  'settings.invalid': {
    severity: 'failure',
    message: '{line}',
    plain: 'Correct the setting in the environment of the service or in its `.env`, and restart the service.',
    tutor:
      'Run `tutor config save`: the plugin fills in every value that you have not set. To change a value, run `tutor config save --set NAME=VALUE`, then `tutor local start -d`.',
  },
  'settings.unknown': {
    severity: 'warning',
    message: '{name} is not a setting of this version, so it has no effect.',
    plain: 'Correct its spelling, or remove it.',
    tutor: null,
  },
  'settings.plain_http': {
    severity: 'warning',
    message: '{name} is http:// to a public host: anyone on the network in between can read and change the traffic.',
    plain: 'Use https:// in this setting, and restart the service.',
    tutor:
      "Run `tutor config save --unset LERNITO_LMS_URL` (the default is http://lms:8000, inside Tutor's network) or `tutor config save --set LERNITO_NOTIFY_URL=https://…`, then `tutor local start -d`.",
  },
  'settings.plain_database': {
    severity: 'warning',
    message:
      'LERNITO_DATABASE_URL names a public host without TLS: anyone on the network in between can read and change the sales.',
    plain:
      'End LERNITO_DATABASE_URL with ?tls=verify and restart the service. If the network in between is your own, end it with ?tls=off.',
    tutor: 'Run `tutor config save --set LERNITO_MYSQL_TLS=verify`, then `tutor local start -d`.',
  },
  'settings.sample_secret': {
    severity: 'failure',
    message: '{name} is a sample from the documentation: everyone knows it and can use it.',
    plain:
      'Create a new secret with `openssl rand -hex 32`, set it here and where the other side has it, and restart the service. For a webhook secret, keep the old one as LERNITO_WEBHOOK_SECRET_PREVIOUS until the shop signs with the new one, but not longer than a day.',
    tutor:
      'Run `tutor config save --unset NAME`, with the name of the setting: the plugin then makes a random secret. Then run `tutor local do init --limit=lernito` and `tutor local start -d`. `tutor lernito info` shows the secret for the shop.',
  },
  'secret.short': {
    severity: 'warning',
    message: '{name} has fewer than 16 characters: an attacker could guess it and sign webhooks.',
    plain:
      'Create a new secret with `openssl rand -hex 32`, and give it to the shop. Keep the old one as LERNITO_WEBHOOK_SECRET_PREVIOUS until the shop signs with the new one.',
    tutor: `Run \`tutor config save --set "LERNITO_WEBHOOK_SECRET_PREVIOUS='THE-OLD-ONE'" --set "LERNITO_WEBHOOK_SECRET='$(openssl rand -hex 32)'"\`, then \`tutor local start -d\`. \`tutor lernito info\` shows the secret for the shop.`,
  },
  'secret.space': {
    severity: 'warning',
    message:
      '{name} begins or ends with white space, which is part of the secret: every signature is refused unless the shop uses the same white space.',
    plain: "Remove the white space, unless the shop's secret has it too.",
    tutor: `Run \`tutor config save --set "LERNITO_WEBHOOK_SECRET='THE-SECRET'"\`, then \`tutor local start -d\`.`,
  },
  'secret.quoted': {
    severity: 'warning',
    message:
      '{name} is in quotation marks, which are part of the secret: every signature is refused unless the shop uses the same quotation marks.',
    plain:
      "Remove the quotation marks, unless the shop's secret has them too. An env_file of Docker, for example, keeps them.",
    tutor: `Run \`tutor config save --set "LERNITO_WEBHOOK_SECRET='THE-SECRET'"\`, then \`tutor local start -d\`.`,
  },
  'secret.previous': {
    severity: 'warning',
    message:
      'LERNITO_WEBHOOK_SECRET_PREVIOUS is still set: the service accepts webhooks that are signed with the old secret.',
    plain: 'Once the shop signs with the new secret, remove the setting and restart the service.',
    tutor:
      'Once the shop signs with the new secret, run `tutor config save --unset LERNITO_WEBHOOK_SECRET_PREVIOUS`, then `tutor local start -d`.',
  },
  'database.not_writable': {
    severity: 'failure',
    message: "The service can't write to the database {name}, so it does not start: {reason}.",
    plain:
      'Set LERNITO_DATABASE_URL to a file on a local disk, in a folder that the user of the service can write to. If you ran doctor as another user, run it again as the user of the service.',
    tutor: null,
  },
  'database.unreachable': {
    severity: 'failure',
    message: "The service can't reach the database {name}: {reason}.",
    plain: 'Start the database. If it is running, check the host and port in LERNITO_DATABASE_URL, and the firewall.',
    tutor:
      'Run `tutor local start -d mysql`. If the database is outside Tutor, check `tutor config printvalue MYSQL_HOST` and `tutor config printvalue MYSQL_PORT`.',
  },
  'database.access_denied': {
    severity: 'failure',
    message: 'The database {name} refuses the user or the password of LERNITO_DATABASE_URL: {reason}.',
    plain:
      "Correct them in LERNITO_DATABASE_URL, with special characters of the password as %XX. Or set the password in the database: `ALTER USER 'lernito'@'%' IDENTIFIED BY 'THE-PASSWORD'`.",
    tutor: 'Run `tutor config save`, then `tutor local do init --limit=lernito` and `tutor local start -d`.',
  },
  'database.missing': {
    severity: 'failure',
    message: 'The database {name} does not exist.',
    plain: 'Create it with the name in LERNITO_DATABASE_URL: `CREATE DATABASE lernito CHARACTER SET utf8mb4`.',
    tutor: 'Run `tutor local do init --limit=lernito`.',
  },
  'database.no_right': {
    severity: 'failure',
    message: 'The user of LERNITO_DATABASE_URL may not use the database {name}, or no database has this name.',
    plain: "Run `GRANT ALL ON lernito.* TO 'lernito'@'%'` with the database and the user of LERNITO_DATABASE_URL.",
    tutor: 'Run `tutor local do init --limit=lernito`.',
  },
  'database.read_only': {
    severity: 'failure',
    message: 'The server of the database {name} is read-only ({variables}), so the service accepts no webhook.',
    plain:
      'Let LERNITO_DATABASE_URL lead to the server that takes the writes: after a failover, that is another one. If this is it, run `SET GLOBAL read_only = OFF` there. The service then continues automatically.',
    tutor: 'Check `tutor config printvalue MYSQL_HOST`: it has to be the server that takes the writes.',
  },
  'database.galera': {
    severity: 'warning',
    message:
      'The database {name} is a node of a Galera cluster, whose nodes do not share row locks: replicas of this service that write to different nodes can accept the sale and the refund of one webhook-id.',
    plain:
      'No action is needed if all replicas of this service write to one node at a time. Otherwise let LERNITO_DATABASE_URL lead all of them to the same node, by its address or by a proxy that sends all traffic to one.',
    tutor: null,
  },
  'database.unusable': {
    severity: 'failure',
    message: "The service can't use the database {name}: {reason}.",
    plain:
      'Fix the reported problem. If the file is damaged or belongs to another program, restore the backup, or set LERNITO_DATABASE_URL to another file.',
    tutor: 'Fix the reported problem. For details, see `tutor local logs --tail=100 mysql`.',
  },
  'database.tls_required': {
    severity: 'failure',
    message: 'The database {name} refuses a connection without TLS.',
    plain:
      'End LERNITO_DATABASE_URL with ?tls=verify and restart the service. If no public authority has signed the certificate of the server, set LERNITO_DATABASE_CA_FILE.',
    tutor: 'Run `tutor config save --set LERNITO_MYSQL_TLS=verify`, then `tutor local start -d`.',
  },
  'database.tls_not_offered': {
    severity: 'failure',
    message: 'The database {name} offers no TLS, which ?tls=verify in LERNITO_DATABASE_URL demands.',
    plain:
      'Give the server a certificate (its options ssl_cert, ssl_key and ssl_ca). If the network in between is your own, end LERNITO_DATABASE_URL with ?tls=off instead.',
    tutor: 'Run `tutor config save --set LERNITO_MYSQL_TLS=off` if the network in between is your own.',
  },
  'database.tls_untrusted': {
    severity: 'failure',
    message: 'The service does not trust the certificate of the database {name}: {reason}.',
    plain:
      "Set LERNITO_DATABASE_CA_FILE to a file with the certificate of the server's authority, and restart the service. Providers of databases offer it for download. If the file is set, it is that of another authority.",
    tutor: null,
  },
  'database.tls_name': {
    severity: 'failure',
    message: 'The certificate of the database {name} is for another name: {reason}.',
    plain:
      'Write a name from the certificate as the host in LERNITO_DATABASE_URL. Or give the server a certificate for the host that is there now.',
    tutor: 'Run `tutor config save --set MYSQL_HOST=NAME` with a name from the certificate.',
  },
  'database.tls_expired': {
    severity: 'failure',
    message: 'The certificate of the database {name} is not valid now: {reason}.',
    plain:
      'Renew the certificate on the server. If it is not valid yet, correct the clocks: `timedatectl set-ntp true`.',
    tutor: null,
  },
  'database.tls_failed': {
    severity: 'failure',
    message: 'The database {name} and the service can agree on no form of TLS: {reason}.',
    plain: 'Let the server support TLS 1.2 or 1.3: see its option tls_version, and its log.',
    tutor: null,
  },
  'database.too_new': {
    severity: 'failure',
    message:
      'A newer version has migrated the database: it needs level {needed}, but this version supports level {known}, so this version cannot use it.',
    plain: 'Start the newer version, or restore the backup from before the upgrade.',
    tutor: null,
  },
  'clock.off': {
    severity: 'warning',
    message: "The clock of {whose} is {difference} this machine's.",
    plain: 'Synchronize the clocks of all machines by NTP: `timedatectl set-ntp true`.',
    tutor: null,
  },
  'clock.wrong': {
    severity: 'failure',
    message:
      "The clock of {whose} is {difference} this machine's: retries come at the wrong time, and tokens may be refused.",
    plain: 'Synchronize the clocks of all machines by NTP: `timedatectl set-ntp true`.',
    tutor: null,
  },
} as const satisfies Record<string, Cause>
