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
    -- Null: nobody that is known.
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
