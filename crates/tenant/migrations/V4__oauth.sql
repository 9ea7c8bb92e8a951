-- Secrets and tokens are random and long: their plain digest gives nothing away.
create table oauth_clients (
    client_id text primary key,
    user integer not null references users (id) on delete cascade,
    name text not null collate nocase,
    description text not null,
    secret_digest blob not null,
    -- Null: all roles of the user.
    roles text,
    created_ms integer not null,
    expires_ms integer not null,
    revoked_ms integer,
    last_used_ms integer,
    unique (user, name)
) strict;

create table oauth_tokens (
    digest blob primary key,
    client text not null references oauth_clients (client_id) on delete cascade,
    expires_ms integer not null
) strict, without rowid;

create index oauth_tokens_by_client on oauth_tokens (client);
