-- Version 2: whose the integrations are, and who may ask by the API.

-- Whose an integration is. The first is of whoever runs this program: integrations that a
-- command adds belong to it.
create table accounts (
    id integer primary key,
    -- What the API calls it.
    uid text not null unique,
    name text not null unique,
    fullname text not null,
    environment text not null,
    -- A JSON array of texts.
    labels text not null default '[]',
    created_ms integer not null,
    updated_ms integer not null
) strict;

insert into accounts (id, uid, name, fullname, environment, created_ms, updated_ms)
select 1, '00000000-0000-4000-8000-000000000001', 'default', 'Default', 'prod', first, first
from (select coalesce(min(created_ms), 0) as first from integrations);

alter table integrations add column uid text;
alter table integrations add column account integer references accounts (id);
alter table integrations add column kind text not null default 'veracode';
alter table integrations add column mode text not null default 'stored';
-- What the API calls it, unique in its account. `name` is unique among all of them.
alter table integrations add column slug text;
-- None where its name is all there is.
alter table integrations add column fullname text;
alter table integrations add column updated_ms integer;

update integrations set account = 1, slug = name, updated_ms = created_ms,
    uid = printf('00000000-0000-4000-8001-%012x', id);
create unique index integrations_by_uid on integrations (uid);
create unique index integrations_by_slug on integrations (account, slug);

alter table credentials add column uid text;

update credentials set uid = printf('00000000-0000-4000-8002-%012x', id);
create unique index credentials_by_uid on credentials (uid);

-- Secrets that were given to the API and that no integration signs with yet. One that is
-- used becomes the credential of its integration, under the same `uid`.
create table kept_credentials (
    id integer primary key,
    uid text not null unique,
    account integer not null references accounts (id),
    name text not null,
    fullname text not null,
    vault_name text not null unique,
    kind text not null,
    api_id text not null,
    version integer not null,
    expires_ms integer,
    created_ms integer not null,
    updated_ms integer not null,
    unique (account, name)
) strict;

-- Who may ask by the API, and for what.
create table api_tokens (
    id integer primary key,
    uid text not null unique,
    name text not null,
    fullname text not null,
    -- What it opens: management, reading, or the tools of assistants.
    kind text not null,
    permission_set text not null,
    -- What it is limited to: null is no limit.
    account integer references accounts (id) on delete cascade,
    integration integer references integrations (id) on delete cascade,
    -- A JSON array of the ids of operations.
    operations text,
    ttl_ms integer not null,
    created_ms integer not null,
    updated_ms integer not null
) strict;

create index api_tokens_by_integration on api_tokens (integration);
create index api_tokens_by_account on api_tokens (account);

-- The secrets of each token, by their digests. The secrets themselves are nowhere.
create table api_secrets (
    token integer not null references api_tokens (id) on delete cascade,
    place text not null,
    -- SHA-256.
    digest blob not null,
    expires_ms integer not null,
    last_used_ms integer,
    primary key (token, place)
) strict;

create index api_secrets_by_digest on api_secrets (substr(digest, 1, 8));

-- What was asked of each integration by the API, by the hour.
create table api_hours (
    integration integer not null references integrations (id) on delete cascade,
    -- Hours since the Unix epoch.
    hour integer not null,
    succeeded integer not null default 0,
    failed integer not null default 0,
    cpu_us integer not null default 0,
    -- Questions of the database, and requests to the service.
    db_ops integer not null default 0,
    api_ops integer not null default 0,
    in_bytes integer not null default 0,
    out_bytes integer not null default 0,
    primary key (integration, hour)
) strict, without rowid;

-- The last requests of each integration that failed.
create table api_failures (
    id integer primary key autoincrement,
    integration integer not null references integrations (id) on delete cascade,
    at_ms integer not null,
    operation text not null,
    status integer not null,
    error text not null
) strict;

create index api_failures_by_integration on api_failures (integration, id);

-- Which values an integration has, whatever others have.
create index counts_by_integration on counts (integration, field, value);

-- Fields that were not counted before.
insert into counts (integration, field, value, severity, state, is_policy, findings)
select integration, field, value, severity, state, is_policy, count(*)
from (
    select a.integration, n.column1 as field,
        case n.column1
            when 8 then f.scan_type when 9 then f.status when 10 then f.title
            when 11 then f.url else f.notes
        end as value,
        f.severity, f.state, c.name is 'policy' as is_policy
    from findings f
    join applications a on a.id = f.application
    join (values (8), (9), (10), (11), (12)) n
    left join contexts c on c.id = f.context
    where f.gone = 0
)
where value is not null
group by 1, 2, 3, 4, 5, 6;

create index findings_by_changed on findings (application, changed_ms) where gone = 0;
