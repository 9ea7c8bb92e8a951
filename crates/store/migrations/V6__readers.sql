-- Findings are kept narrow, so that looking through many of them is quick: texts
-- that many share are numbers here, and the record as sent is in a table of its own.
-- What earlier versions wrote is carried over by `upgrade.rs`.
alter table findings rename to findings_5;
alter table changes rename to changes_5;
drop index findings_by_id;
drop index findings_by_severity;
drop index changes_by_time;

create table dictionaries (
    id integer primary key,
    content blob not null
) strict;

create table texts (
    id integer primary key,
    kind integer not null,
    -- The first bytes of its SHA-256.
    hash integer not null,
    text text not null
) strict;

create index texts_by_hash on texts (kind, hash);

-- Every three characters in a row of a text: where `like` looks first.
create virtual table trigrams using fts5 (
    text, content = '', detail = none, tokenize = 'trigram'
);

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
    hash blob not null
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

create table records (
    finding integer primary key references findings (id) on delete cascade,
    raw blob not null
) strict;

-- The words of titles, descriptions, paths and components; a row for each finding.
create virtual table words using fts5 (
    text, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

create trigger findings_take_their_words_along after delete on findings
begin delete from words where rowid = old.id; end;

create table changes (
    seq integer primary key autoincrement,
    run integer not null,
    at_ms integer not null,
    finding integer not null references findings (id) on delete cascade,
    kind integer not null,
    reason text,
    severity integer not null,
    differences text
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

-- What was asked for one finding alone: how data reaches a flaw.
create table details (
    finding integer primary key references findings (id) on delete cascade,
    read_ms integer not null,
    raw blob not null
) strict;

alter table applications add column policy text;
alter table applications add column policy_compliance text;
alter table applications add column criticality text;
