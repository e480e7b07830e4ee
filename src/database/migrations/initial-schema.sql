-- The first schema. The same text is for SQLite and MySQL: SQLite treats mediumtext and mediumblob as text and blob, and
-- MySQL's text and blob hold at most 65,535 bytes. MySQL has no partial indexes, so it gets those without their `where`.
-- See src/database/schema.ts for what the columns mean.

create table if not exists deliveries (
  id varchar(26) not null primary key,
  digest varchar(64) not null unique,
  webhook_id varchar(256),
  source varchar(16) not null,
  form varchar(16) not null,
  state varchar(16) not null,
  reason varchar(32),
  reason_text mediumtext,
  reason_course varchar(255),
  subject varchar(255),
  due_at bigint,
  attempts integer not null,
  generation integer not null,
  effect_unknown integer not null,
  reads_first integer not null,
  may_have_effect integer not null,
  last_event integer not null,
  received_at bigint not null,
  settled_at bigint,
  active_at bigint not null,
  done_at bigint,
  replayed_at bigint,
  handled_as varchar(16),
  email varchar(254),
  username varchar(255),
  course varchar(255),
  course_count integer not null,
  replaces varchar(26),
  replaced_by varchar(26),
  search_text mediumtext not null,
  request mediumtext,
  ended_at bigint,
  body mediumblob not null
);
-- The last column is email, so that the query for due rows reads the index alone.
create index deliveries_due on deliveries (state, due_at, id, email);
-- The last column is state, so that the list reads the index alone: MariaDB would sort another one that has all columns.
create index deliveries_active on deliveries (active_at, id, state);
-- The last columns tell sales, and those whose access ended, apart, so that they are found in the index alone.
create index deliveries_state on deliveries (state, active_at, id, source, replaced_by, ended_at);
create index deliveries_cause on deliveries (state, reason, subject, settled_at, id) where reason is not null;
-- A person has few deliveries, so a query by person can sort the rows that it reads.
create index deliveries_email on deliveries (email, id);
create index deliveries_username on deliveries (username, id);
-- Has all columns of the reports about sales, which then read the index alone; of sales of several courses, also the lines.
create index deliveries_received on deliveries (received_at, state, source, replaced_by, course, course_count);

create table if not exists delivery_lines (
  delivery_id varchar(26) not null,
  position integer not null,
  sent varchar(255) not null,
  course_key varchar(255) not null,
  result varchar(16),
  user_id bigint,
  username varchar(255),
  named integer,
  gave integer,
  mode_before varchar(100),
  claimed integer,
  standing varchar(16),
  mode varchar(100),
  checked_at bigint,
  since bigint,
  ended_at bigint,
  moved integer,
  passed_at bigint,
  percent double,
  certificate varchar(16),
  certificate_url mediumtext,
  certificate_at bigint,
  withdrawal_id varchar(26),
  withdrawal_state varchar(8),
  withdrawal_at bigint,
  withdrawal_paid integer,
  withdrawal_had_before integer,
  withdrawal_by varchar(254),
  withdrawal_refund integer,
  withdrawal_requested_at bigint,
  withdrawal_attempts integer,
  withdrawal_called integer,
  withdrawal_kind varchar(16),
  withdrawal_mode varchar(100),
  withdrawal_why mediumtext,
  withdrawal_kept_by varchar(26),
  withdrawal_moved integer,
  withdrawal_message mediumtext,
  primary key (delivery_id, position)
);
create index delivery_lines_user_id on delivery_lines (user_id) where user_id is not null;
create index delivery_lines_withdrawal on delivery_lines (withdrawal_state, withdrawal_at, withdrawal_id)
  where withdrawal_state is not null;
create index delivery_lines_kept_by on delivery_lines (withdrawal_kept_by) where withdrawal_kept_by is not null;

create table if not exists events (
  delivery_id varchar(26) not null,
  id varchar(26) not null,
  seq integer not null,
  at bigint not null,
  kind varchar(24) not null,
  detail mediumtext not null,
  actor varchar(254),
  calls mediumtext,
  answer varchar(128),
  audited integer,
  primary key (delivery_id, id)
);
create index events_audited on events (audited, id) where audited is not null;
create table if not exists webhook_ids (
  webhook_id varchar(256) not null primary key,
  purpose varchar(8) not null,
  delivery_id varchar(26) not null,
  digest varchar(64),
  orders mediumtext,
  received_at bigint not null
);
create index webhook_ids_delivery on webhook_ids (delivery_id, received_at);
create index webhook_ids_digest on webhook_ids (digest) where digest is not null;
create table if not exists forgotten_ids (
  hash varchar(64) not null primary key,
  forgotten_at bigint not null
);
create index forgotten_ids_at on forgotten_ids (forgotten_at);
create table if not exists secrets (
  name varchar(16) not null primary key,
  value varchar(64) not null
);

create table if not exists rounds (
  name varchar(16) not null primary key,
  came_to bigint not null
);

create table if not exists outbox (
  id varchar(26) not null primary key,
  about varchar(255) not null,
  seq integer not null,
  type varchar(32) not null,
  body mediumtext not null,
  created_at bigint not null,
  due_at bigint not null,
  attempts integer not null,
  failed_at bigint,
  error mediumtext
);
create index outbox_due on outbox (failed_at, due_at, id);
-- In the order in which they were stored: the newest one that waits is the probe of an endpoint that is down.
create index outbox_waiting on outbox (failed_at, id);
create index outbox_about on outbox (about, failed_at, id);
create table if not exists endpoints (
  name varchar(16) not null primary key,
  url_digest varchar(64) not null,
  state varchar(8) not null,
  failures integer not null,
  since bigint,
  probe_at bigint not null,
  error mediumtext,
  error_at bigint,
  sent_at bigint
);

create table if not exists catalogue (
  name varchar(16) not null primary key,
  version integer not null,
  checked_at bigint,
  failed_at bigint,
  failure mediumtext,
  courses mediumtext not null
);

create table if not exists bulk_replays (
  id varchar(26) not null primary key,
  filter mediumtext not null,
  enrolled integer not null,
  corrects mediumtext,
  actor varchar(254) not null,
  started_at bigint not null,
  ended_at bigint,
  state varchar(16) not null,
  replayed bigint not null,
  total bigint not null,
  came_to_at bigint not null,
  came_to_id varchar(26) not null
);
create table if not exists replayed_deliveries (
  replay_id varchar(26) not null,
  delivery_id varchar(26) not null,
  primary key (replay_id, delivery_id)
);

create table if not exists notices (
  id varchar(64) not null primary key,
  kind varchar(16) not null,
  code varchar(32) not null,
  subject varchar(255) not null,
  detail mediumtext not null,
  first_at bigint not null,
  last_at bigint not null,
  `count` integer not null,
  texts integer not null,
  sent_at bigint
);
-- open_kind is the kind until the incident ends: the unique key merges what several replicas report.
create table if not exists incidents (
  id varchar(26) not null primary key,
  kind varchar(16) not null,
  open_kind varchar(16) unique,
  cause mediumtext not null,
  started_at bigint not null,
  seen_at bigint not null,
  ended_at bigint
);
create index incidents_started on incidents (started_at, id);
create table if not exists senders (
  address varchar(64) not null,
  result varchar(24) not null,
  first_at bigint not null,
  last_at bigint not null,
  `count` bigint not null,
  lately bigint not null,
  primary key (address, result)
);

create table if not exists replicas (
  id varchar(36) not null primary key,
  seen_at bigint not null
);
create table if not exists holds (
  name varchar(261) not null primary key,
  replica varchar(36) not null,
  effect varchar(8),
  late_at bigint
);
create index holds_replica on holds (replica);
create table if not exists console_sessions (
  id varchar(64) not null primary key,
  username varchar(254) not null,
  refresh_token mediumtext,
  started_at bigint not null,
  confirmed_at bigint not null,
  renew_at bigint not null
);
