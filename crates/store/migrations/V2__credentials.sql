-- Whose credentials we hold. The secret is in the vault, under `vault_name`.
create table credentials (
    id integer primary key,
    name text not null unique,
    vault_name text not null unique,
    kind text not null,
    url text not null,
    ca_pem text,
    allow_http_loopback integer not null default 0,
    added_ms integer not null,
    -- What signs now. A version is none before the first rotation: then it is the
    -- newest of the vault.
    api_id text not null,
    version integer,
    published_ms integer not null,
    -- What the service said, and when.
    account text,
    user_id text,
    roles text not null default '[]',
    teams text not null default '[]',
    expires_ms integer,
    checked_ms integer,
    problem text,
    -- What we did with it.
    used_ms integer,
    used_by text
) strict;

insert into credentials
    (name, vault_name, kind, url, ca_pem, allow_http_loopback, added_ms, api_id, published_ms,
     account, expires_ms, checked_ms)
select name, 'integration/' || name, 'hmac', url, ca_pem, allow_http_loopback, created_ms, api_id,
    created_ms, account, expires_ms, checked_ms
from integrations;

alter table integrations add column credential integer references credentials (id);
update integrations set credential = (select id from credentials c where c.name = integrations.name);
alter table integrations drop column url;
alter table integrations drop column api_id;
alter table integrations drop column ca_pem;
alter table integrations drop column allow_http_loopback;
alter table integrations drop column account;
alter table integrations drop column expires_ms;
alter table integrations drop column checked_ms;

-- Rotations, each with the step that it has reached.
create table rotations (
    id integer primary key,
    credential integer not null references credentials (id) on delete cascade,
    mode text not null,
    minter integer not null references credentials (id),
    step text not null,
    begun_ms integer not null,
    moved_ms integer not null,
    -- The id that was live when this began, or that was lost since.
    old_id text not null,
    new_id text,
    new_version integer,
    new_expires_ms integer,
    mints integer not null default 0,
    lost integer not null default 0,
    old_until_ms integer,
    problem text,
    is_over integer not null default 0
) strict;

create unique index rotations_under_way on rotations (credential) where is_over = 0;

-- Who may rotate. The token grows with every taking: a write under an older one is
-- refused.
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
    detail text not null,
    hash blob not null
) strict;

create trigger audit_keeps_what_it_has before update on audit
begin select raise(abort, 'the audit log is append-only'); end;

create trigger audit_keeps_all_it_has before delete on audit
begin select raise(abort, 'the audit log is append-only'); end;
