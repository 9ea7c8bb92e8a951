create table integrations (
    id integer primary key,
    name text not null unique,
    url text not null,
    api_id text not null,
    ca_pem text,
    allow_http_loopback integer not null default 0,
    created_ms integer not null,
    account text,
    expires_ms integer,
    checked_ms integer
) strict;

create table runs (
    id integer primary key,
    integration integer not null references integrations (id) on delete cascade,
    kind text not null,
    started_ms integer not null,
    finished_ms integer,
    complete integer,
    requests integer,
    report text
) strict;

create table applications (
    id integer primary key,
    integration integer not null references integrations (id) on delete cascade,
    guid text not null,
    name text not null,
    -- The dates as listed before the last complete read: what a later listing
    -- is compared with.
    modified_ms integer,
    policy_checked_ms integer,
    read_ms integer,
    incomplete text,
    gone integer not null default 0,
    raw blob not null,
    unique (integration, guid)
) strict;

create table contexts (
    id integer primary key,
    name text not null unique
) strict;

create table findings (
    id integer primary key,
    application integer not null references applications (id) on delete cascade,
    context integer not null references contexts (id),
    key text not null,
    finding_id text not null,
    hash blob not null,
    gone integer not null default 0,
    scan_type text not null,
    severity integer not null,
    state text not null,
    status text,
    violates_policy integer,
    cwe integer,
    title text not null,
    file text,
    module text,
    url text,
    component text,
    cve text,
    cvss real,
    first_found_ms integer,
    last_seen_ms integer,
    raw blob not null,
    unique (application, context, key)
) strict;

create index findings_by_id on findings (finding_id);
create index findings_by_severity on findings (severity, id);

create table changes (
    seq integer primary key autoincrement,
    run integer not null,
    at_ms integer not null,
    application integer not null references applications (id) on delete cascade,
    finding_id text not null,
    kind text not null,
    reason text,
    severity integer not null,
    title text not null,
    differences text
) strict;

create index changes_by_time on changes (at_ms);

create table undecodable (
    id integer primary key,
    application integer not null references applications (id) on delete cascade,
    context integer not null references contexts (id),
    hash blob not null,
    reason text not null,
    seen_ms integer not null,
    raw blob not null,
    unique (application, context, hash)
) strict;
