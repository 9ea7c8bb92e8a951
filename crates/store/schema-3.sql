-- Version 3: what brings findings to where people work.

-- Whether the finding came in with the first reading of its application.
alter table changes add column is_first integer not null default 0;

-- Which rows of findings came in for which integration: from a number to a number. So a list
-- of one integration passes over no row of another.
create table stretches (
    integration integer not null references integrations (id) on delete cascade,
    last integer not null,
    first integer not null,
    primary key (integration, last)
) strict, without rowid;

with whose as (
    select id, (select integration from applications a where a.id = application) as integration
    from findings
), marked as (
    select id, integration, lag(id) over (order by id) as before,
        lag(integration) over (order by id) is not integration as begins
    from whose where integration is not null
), begun as (
    select id, integration, lead(before) over (order by id) as last from marked where begins
)
insert into stretches (integration, first, last)
select integration, id, coalesce(last, (select max(id) from findings)) from begun;

create table destinations (
    id integer primary key,
    name text not null unique,
    -- Which receiver it is.
    kind text not null,
    -- Of the settings that say where things go: another one is another place.
    place text not null,
    -- Position in the feed up to which everything is planned.
    cursor integer not null,
    mode text not null,
    -- Why nothing goes out although it is live.
    problem text,
    -- When the mode or the problem was last another one.
    since_ms integer not null,
    -- What it sends next is held until somebody approves it.
    held_ms integer,
    -- Failures in a row that may pass.
    failures integer not null default 0,
    -- Until when nothing is tried: after failures, or as the receiver asked.
    rests_until_ms integer not null default 0,
    -- Who delivers, and until when nobody else does.
    holder text,
    held_until_ms integer not null default 0,
    -- Changes that its filter left out.
    left_out integer not null default 0,
    created_ms integer not null
) strict;

-- Groups of findings that have to be looked at again, until that is planned.
create table wants (
    destination integer not null references destinations (id) on delete cascade,
    group_key text not null,
    -- What the group is, as JSON.
    subject text not null,
    from_seq integer not null,
    to_seq integer not null,
    -- What happened since, as JSON.
    events text not null,
    primary key (destination, group_key)
) strict, without rowid;
create index wants_in_order on wants (destination, from_seq, group_key);

-- Everything that is sent, written before it is. It outlives the findings it is about.
create table sends (
    id integer primary key autoincrement,
    -- The same at every try.
    uid text not null unique,
    destination integer not null references destinations (id) on delete cascade,
    group_key text not null,
    from_seq integer not null,
    to_seq integer not null,
    action text not null,
    -- As it is to be sent, as JSON.
    payload text not null,
    state text not null,
    -- Why it is in this state, or what went wrong.
    reason text,
    -- How often it was claimed to be tried; and how many of these tries ended and count among
    -- those after which it is given up. One whose process ended is not among them.
    attempts integer not null default 0,
    counted integer not null default 0,
    planned_ms integer not null,
    -- When the first try that may have arrived began.
    started_ms integer,
    next_ms integer not null,
    settled_ms integer,
    -- What the receiver calls it.
    reference text,
    -- The beginning of what it answered.
    answer text,
    replays integer not null default 0
) strict;

-- Nothing is on its way twice.
create unique index sends_active on sends (destination, group_key)
    where state in ('pending', 'sending', 'held');
create index sends_due on sends (destination, next_ms, id) where state in ('pending', 'sending');
create index sends_by_state on sends (destination, state, id);
create index sends_by_group on sends (destination, group_key, id);
create index sends_by_age on sends (settled_ms) where settled_ms is not null;

-- What stands at a receiver for a group of findings.
create table links (
    destination integer not null references destinations (id) on delete cascade,
    group_key text not null,
    subject text not null,
    reference text not null,
    url text,
    -- Of the fields that were sent last.
    digest text not null,
    standing text not null,
    -- Whether it was said that scans still show what somebody closed there.
    is_remarked integer not null default 0,
    created_ms integer not null,
    changed_ms integer not null,
    primary key (destination, group_key)
) strict, without rowid;

-- Which findings of a group stand in what was sent, to find a finding's tickets.
create table linked (
    destination integer not null,
    group_key text not null,
    finding_id blob not null,
    primary key (destination, group_key, finding_id),
    foreign key (destination, group_key) references links (destination, group_key) on delete cascade
) strict, without rowid;
create index linked_by_finding on linked (finding_id);

-- How often applications are read again although nothing says that they changed, and what the
-- audits of it found.
create table sweeps (
    integration integer primary key references integrations (id) on delete cascade,
    -- As audits made it; the setting may be shorter by now.
    period_ms integer not null,
    -- Audits in a row that missed nothing.
    clean integer not null,
    -- The last audit: when it began, how many applications it read, findings that it missed.
    audited_ms integer not null,
    last_applications integer not null,
    last_missed integer not null,
    -- Of all audits.
    applications integer not null,
    missed_by_dates integer not null,
    missed_by_scans integer not null
) strict;

-- When the Reporting API was last asked what moved, by a run that read what it named.
create table hints (
    integration integer primary key references integrations (id) on delete cascade,
    asked_ms integer not null
) strict;

-- Which application was read longest ago.
create index applications_by_read on applications (integration, read_ms)
    where gone = 0 and read_ms is not null;

-- Runs that several processes do together, until they end: who conducts one, and until when nobody
-- else may. The number of the lease grows each time that somebody takes the run over. Times are
-- those of the database.
create table conducts (
    run integer primary key references runs (id) on delete cascade,
    -- One run at a time.
    integration integer not null unique references integrations (id) on delete cascade,
    stage text not null,
    -- What the run goes by, and what was counted before applications were read, as JSON.
    terms text not null,
    holder text not null,
    lease integer not null,
    until_ms integer not null
) strict;

-- The applications that such a run reads, in this order.
create table work (
    run integer not null references conducts (run) on delete cascade,
    place integer not null,
    application text not null,
    -- How it is read and why, as JSON.
    terms text not null,
    -- The record as it was listed.
    raw blob not null,
    state text not null,
    -- Who reads it, and until when nobody else may. The number grows each time that somebody
    -- claims it: a write under an older one is refused.
    holder text,
    lease integer not null default 0,
    until_ms integer not null default 0,
    -- How that ended, as JSON.
    outcome text,
    rows_written integer not null default 0,
    primary key (run, place)
) strict, without rowid;
create index work_to_do on work (run, place) where state in ('open', 'taken');

-- The requests of the last minute, for each address that they come from and host that they go to,
-- as JSON: of all machines that share them.
create table budgets (
    egress text not null,
    host text not null,
    minute text not null,
    primary key (egress, host)
) strict, without rowid;
