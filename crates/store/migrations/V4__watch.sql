-- What the last look at the service said beyond the inventory.
create table sightings (
    credential integer primary key references credentials (id) on delete cascade,
    seen_ms integer not null,
    -- Whose turn it is when it failed.
    fault text,
    skew_ms integer,
    -- The id that is live at the service, when it is not the published one.
    live_id text
) strict;

-- What there was to say of a credential, each once: of one occasion (an expiry, an
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

-- Where it is to be said, and whether it was.
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

-- What the calendar said last of each credential.
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
