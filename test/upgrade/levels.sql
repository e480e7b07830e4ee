-- The tables of every level as the migrations made them in SQLite: the first statement makes the list of levels, and each
-- further line is the statement of one level. A line of a released level never changes; a new migration appends one.
create table if not exists "migrations" ("id" integer not null primary key, "oldest_code" integer not null, "applied_at" bigint not null);
create table if not exists "deliveries" ("id" varchar(26) not null primary key, "digest" varchar(64) not null unique, "state" varchar(16) not null, "owner" varchar(36), "due_at" bigint, "attempts" integer not null, "received_at" bigint not null, "settled_at" bigint, "active_at" bigint not null, "email" varchar(254), "form" varchar(16) not null, "body" mediumblob not null, "request" mediumtext, "outcome" mediumtext);
create index "deliveries_due" on "deliveries" ("owner", "state", "due_at", "id", "email");
create table if not exists "events" ("delivery_id" varchar(26) not null, "id" varchar(26) not null, "at" bigint not null, "kind" varchar(24) not null, "detail" mediumtext not null, "actor" varchar(254), constraint "events_key" primary key ("delivery_id", "id"));
create table if not exists "counters" ("day" varchar(10) not null, "name" varchar(48) not null, "count" bigint not null, constraint "counters_key" primary key ("day", "name"));
create table if not exists "replicas" ("id" varchar(36) not null primary key, "seen_at" bigint not null);
create index "deliveries_active" on "deliveries" ("active_at", "id");
alter table "deliveries" add column "username" varchar(255);
alter table "deliveries" add column "course" varchar(255);
alter table "deliveries" add column "enrolled_at" bigint;
alter table "deliveries" add column "replayed_at" bigint;
create index "deliveries_email" on "deliveries" ("email", "id");
create index "deliveries_username" on "deliveries" ("username", "id");
create index "deliveries_course" on "deliveries" ("course", "active_at", "id");
create index "deliveries_state" on "deliveries" ("state", "active_at", "id");
create table if not exists "further_courses" ("delivery_id" varchar(26) not null, "course" varchar(255) not null, "active_at" bigint not null, constraint "further_courses_key" primary key ("delivery_id", "course"));
create index "further_courses_course" on "further_courses" ("course", "active_at", "delivery_id");
create table if not exists "audit" ("event_id" varchar(26) not null primary key, "delivery_id" varchar(26) not null);
create table if not exists "bulk_replays" ("id" varchar(26) not null primary key, "filter" mediumtext not null, "succeeded" integer not null, "actor" varchar(254) not null, "started_at" bigint not null, "ended_at" bigint, "state" varchar(16) not null, "replayed" bigint not null, "total" bigint, "came_to_at" bigint not null, "came_to_id" varchar(26) not null);
create table if not exists "console_sessions" ("id" varchar(64) not null primary key, "username" varchar(254) not null, "refresh_token" mediumtext, "started_at" bigint not null, "confirmed_at" bigint not null, "renew_at" bigint not null);
alter table "deliveries" add column "generation" integer default 0 not null;
alter table "deliveries" add column "effect_unknown" integer default 0 not null;
