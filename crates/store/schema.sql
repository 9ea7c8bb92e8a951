-- Times are milliseconds since the Unix epoch, days are days since then, both UTC.
-- Numbers that stand for words are those of the enums of the program.

-- The credentials that are managed here. The secret is in the vault, under `vault_name`.
create table credentials (
    id integer primary key,
    name text not null unique,
    vault_name text not null unique,
    kind text not null,
    url text not null,
    ca_pem text,
    allow_http_loopback integer not null default 0,
    added_ms integer not null,
    -- What signs now. No version before the first rotation: then it is the newest of
    -- the vault.
    api_id text not null,
    version integer,
    published_ms integer not null,
    -- What the service said of it, and when.
    account text,
    user_id text,
    -- JSON arrays of texts.
    roles text not null default '[]',
    teams text not null default '[]',
    expires_ms integer,
    checked_ms integer,
    problem text,
    used_ms integer,
    used_by text
) strict;

create table integrations (
    id integer primary key,
    name text not null unique,
    created_ms integer not null,
    credential integer references credentials (id)
) strict;

create table runs (
    id integer primary key,
    integration integer not null references integrations (id) on delete cascade,
    kind text not null,
    started_ms integer not null,
    finished_ms integer,
    complete integer,
    requests integer,
    -- JSON, as `sync --json` prints it.
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
    scanned_ms integer,
    -- The last complete read, and why the last one was not.
    read_ms integer,
    incomplete text,
    -- Findings that the last read would have closed and did not.
    held_back integer not null default 0,
    gone integer not null default 0,
    policy text,
    policy_compliance text,
    criticality text,
    raw blob not null,
    -- A digest of the other columns and of `tallies`: see `seal.rs`.
    seal integer,
    unique (integration, guid)
) strict;

create table contexts (
    id integer primary key,
    name text not null unique
) strict;

-- Texts that many findings share: findings hold their numbers, so that rows are narrow
-- and looking through many of them is quick.
create table texts (
    id integer primary key,
    kind integer not null,
    -- The first bytes of its SHA-256.
    hash integer not null,
    text text not null
) strict;

create index texts_by_hash on texts (kind, hash);

-- Every three characters in a row of a text, folded as filters fold: where `like` looks
-- first.
create virtual table trigrams using fts5 (
    text, content = '', detail = none, tokenize = 'trigram case_sensitive 1'
);

-- Number 0 is the empty text of kind 9, notes: what most findings have.
insert into texts (id, kind, hash, text) values (0, 9, 1449310910991872227, '');
insert into trigrams (rowid, text) values (0, '');

-- Names of CWEs and categories.
create table names (
    kind integer not null,
    number integer not null,
    name text not null,
    primary key (kind, number)
) strict, without rowid;

create table findings (
    id integer primary key,
    application integer not null references applications (id) on delete cascade,
    context integer not null references contexts (id),
    severity integer not null,
    state integer not null,
    gone integer not null default 0,
    scan_type integer not null,
    status integer,
    violates_policy integer,
    cwe integer,
    category integer,
    title integer not null,
    file integer,
    module integer,
    url integer,
    component integer,
    cve integer,
    cvss real,
    first_found_ms integer,
    last_seen_ms integer,
    -- When it came into this store, when it last was different, and how.
    added_ms integer not null,
    changed_ms integer not null,
    kind integer not null,
    finding_id blob not null,
    -- The first bytes of the SHA-256 of the record.
    hash blob not null,
    -- Names of members of the record that could not be read.
    notes integer not null default 0,
    -- A digest of the other columns: see `seal.rs`.
    seal integer
) strict;

create unique index findings_by_id on findings (finding_id, application);
create index findings_by_application on findings (application, severity desc);
create index findings_by_severity on findings (severity desc, id) where gone = 0;
create index findings_by_cwe on findings (cwe, severity desc) where gone = 0;
create index findings_by_category on findings (category, severity desc) where gone = 0 and category is not null;
create index findings_by_title on findings (title, severity desc) where gone = 0;
create index findings_by_file on findings (file, severity desc) where gone = 0 and file is not null;
create index findings_by_module on findings (module, severity desc) where gone = 0 and module is not null;
create index findings_by_url on findings (url, severity desc) where gone = 0 and url is not null;
create index findings_by_component on findings (component, severity desc) where gone = 0 and component is not null;
create index findings_by_cve on findings (cve, severity desc) where gone = 0 and cve is not null;
create index findings_by_cvss on findings (cvss) where gone = 0 and cvss is not null;
create index findings_by_first_found on findings (first_found_ms) where gone = 0 and first_found_ms is not null;
create index findings_by_last_seen on findings (last_seen_ms) where gone = 0 and last_seen_ms is not null;
create index findings_by_notes on findings (application) where gone = 0 and notes <> 0;

-- Records as the service sent them, packed: see `raw.rs`.
create table records (
    finding integer primary key references findings (id) on delete cascade,
    raw blob not null
) strict;

-- What records are packed with.
create table dictionaries (
    id integer primary key,
    content blob not null
) strict;

-- The words of titles, descriptions, paths and components, folded as filters fold; a row
-- for each finding.
create virtual table words using fts5 (
    text, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

create trigger findings_take_their_words_along after delete on findings
begin delete from words where rowid = old.id; end;

-- What was asked for one finding alone: how data reaches a flaw.
create table details (
    finding integer primary key references findings (id) on delete cascade,
    read_ms integer not null,
    raw blob not null
) strict;

-- Records that cannot be read.
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

-- The change feed.
create table changes (
    seq integer primary key autoincrement,
    run integer not null,
    at_ms integer not null,
    finding integer not null references findings (id) on delete cascade,
    kind integer not null,
    reason text,
    severity integer not null,
    -- JSON.
    differences text,
    -- A digest of the other columns: see `seal.rs`.
    seal integer
) strict;

create index changes_by_time on changes (at_ms);
-- The first row of a finding is found by its time.
create index changes_by_finding on changes (finding) where kind <> 0;

-- How many findings there are of each kind in each application: what lists and
-- overviews count from. Those that are gone do not count.
create table tallies (
    application integer not null references applications (id) on delete cascade,
    context integer not null,
    scan_type integer not null,
    severity integer not null,
    state integer not null,
    status integer,
    violates_policy integer,
    findings integer not null
) strict;

create unique index tallies_by_application on tallies (
    application, context, scan_type, severity, state, coalesce(status, -1), coalesce(violates_policy, -1)
);

-- The same for fields of many values, over all applications of an integration.
create table counts (
    integration integer not null references integrations (id) on delete cascade,
    field integer not null,
    value integer not null,
    severity integer not null,
    state integer not null,
    is_policy integer not null,
    findings integer not null,
    primary key (field, value, severity, state, is_policy, integration)
) strict, without rowid;

-- Each day on which something was different, for each application and, under
-- application 0, for the whole integration. Policy context only.
create table history (
    integration integer not null references integrations (id) on delete cascade,
    application integer not null,
    day integer not null,
    severity integer not null,
    -- Open ones at the end of the day.
    open integer not null,
    -- Those that the first reading of an application brought.
    first integer not null default 0,
    new integer not null default 0,
    reopened integer not null default 0,
    closed integer not null default 0,
    -- Of the closed ones those that were fixed, and how long that took in all.
    fixed integer not null default 0,
    fix_ms integer not null default 0,
    primary key (integration, application, day, severity)
) strict, without rowid;

-- How the last look at everything that is stored ended: one row, or none before the first.
create table last_check (
    id integer primary key check (id = 1),
    at_ms integer not null,
    problems integer not null,
    -- The first of them, in words.
    first text,
    is_mended_by_full_sync integer not null
) strict;

-- What the scheduler remembers of each integration. A row comes with the first change:
-- a pause, a request for a run, or a run.
create table schedules (
    integration integer primary key references integrations (id) on delete cascade,
    -- Drawn once: where in its jitter this integration lies.
    draw integer,
    paused_ms integer,
    -- When somebody asked for a run now.
    asked_ms integer,
    -- When the last run that the schedule wanted was due.
    due_ms integer,
    started_ms integer,
    -- None while it runs, and after a process that died in the middle.
    ended_ms integer,
    -- The last complete reading of everything.
    full_ms integer,
    failures integer not null default 0,
    fault text,
    problem text
) strict;

-- Rotations, each with the step that it has reached.
create table rotations (
    id integer primary key,
    credential integer not null references credentials (id) on delete cascade,
    mode text not null,
    minter integer not null references credentials (id),
    step text not null,
    begun_ms integer not null,
    moved_ms integer not null,
    -- The id that was active when this began, or that was lost since.
    old_id text not null,
    new_id text,
    new_version integer,
    new_expires_ms integer,
    mints integer not null default 0,
    lost integer not null default 0,
    old_until_ms integer,
    -- The id that was replaced and that is to be revoked once nobody runs it.
    to_revoke text,
    problem text,
    is_over integer not null default 0
) strict;

create unique index rotations_under_way on rotations (credential) where is_over = 0;

-- Who may rotate. The token grows each time a lease is taken: a write under an older one
-- is refused.
create table leases (
    name text primary key,
    holder text not null,
    token integer not null,
    until_ms integer not null
) strict;

-- What was done with credentials, in a chain of digests.
create table audit (
    id integer primary key,
    at_ms integer not null,
    credential text not null,
    act text not null,
    -- A JSON object.
    detail text not null,
    hash blob not null
) strict;

create trigger audit_keeps_what_it_has before update on audit
begin select raise(abort, 'the audit log is append-only'); end;

create trigger audit_keeps_all_it_has before delete on audit
begin select raise(abort, 'the audit log is append-only'); end;

-- What the last look at the service said of a credential beyond the inventory.
create table sightings (
    credential integer primary key references credentials (id) on delete cascade,
    seen_ms integer not null,
    -- Whose turn it is when it failed.
    fault text,
    skew_ms integer,
    -- The id that is active at the service, when it is not the published one.
    live_id text
) strict;

-- What there was to report of a credential, each once: of one occasion (an expiry, an
-- id, a host) and one threshold in days. A state that comes back after it ended is
-- another episode; an expiry has one.
create table notices (
    id integer primary key,
    credential integer not null references credentials (id) on delete cascade,
    kind text not null,
    occasion text not null,
    threshold integer not null,
    episode integer not null,
    is_urgent integer not null,
    raised_ms integer not null,
    ended_ms integer,
    acknowledged_ms integer,
    escalated_ms integer,
    unique (credential, kind, occasion, threshold, episode)
) strict;

-- Where notices are to be sent, and whether they were.
create table deliveries (
    notice integer not null references notices (id) on delete cascade,
    channel text not null,
    is_escalation integer not null,
    attempts integer not null default 0,
    next_ms integer not null,
    sent_ms integer,
    problem text,
    primary key (notice, channel, is_escalation)
) strict;

-- What the calendar last said of each credential.
create table calendar (
    credential integer primary key references credentials (id) on delete cascade,
    sequence integer not null,
    stamp_ms integer not null,
    content text not null
) strict;

-- Who was given which version of a credential, and whether it runs it.
create table handovers (
    credential integer not null references credentials (id) on delete cascade,
    consumer text not null,
    version integer not null,
    attempts integer not null default 0,
    next_ms integer not null,
    delivered_ms integer,
    acknowledged_ms integer,
    problem text,
    primary key (credential, consumer, version)
) strict;

create table broker_callers (
    id integer primary key,
    name text not null unique,
    -- SHA-256 of the token. The token itself is nowhere.
    digest blob not null,
    -- A JSON array of texts such as `GET /appsec/**`.
    rules text not null,
    created_ms integer not null,
    expires_ms integer,
    revoked_ms integer,
    last_used_ms integer
) strict;

create index broker_callers_by_digest on broker_callers (substr(digest, 1, 8));

create table broker_requests (
    seq integer primary key autoincrement,
    at_ms integer not null,
    -- Null: no known caller.
    caller text,
    method text not null,
    path text not null,
    status integer not null,
    -- Null: the service answered.
    refusal text,
    duration_ms integer not null
) strict;

create index broker_requests_of_callers on broker_requests (seq) where caller is not null;
create index broker_requests_of_nobody on broker_requests (seq) where caller is null;
