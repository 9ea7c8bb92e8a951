create table if not exists signin_people (
    person integer primary key,
    password text,
    password_ms integer,
    -- Hashes of the passwords before, the newest first, as JSON.
    previous text not null default '[]',
    -- Sealed by the host.
    totp blob,
    totp_last_step integer not null default 0,
    -- Digests of the codes that are left, as JSON.
    recovery text not null default '[]',
    last_sign_in_ms integer
) strict;

create table if not exists signin_tickets (
    digest blob primary key,
    purpose text not null,
    person integer not null,
    expires_ms integer not null
) strict, without rowid;

create table if not exists signin_sessions (
    -- Never used again: what a browser was asked is remembered by it.
    id integer primary key autoincrement,
    digest blob not null unique,
    person integer not null,
    stage text not null,
    begun_ms integer not null,
    seen_ms integer not null,
    -- When a second factor was last given.
    proven_ms integer,
    -- In a row, looked at or not.
    failures integer not null default 0,
    address text not null,
    agent text not null
) strict;

create index if not exists signin_sessions_by_person on signin_sessions (person);

create table if not exists signin_tallies (
    -- A person, or less than 0 for one of the counts that all other names share.
    account integer primary key,
    failures integer not null,
    last_ms integer not null,
    is_told integer not null,
    -- Times of the last hour, as JSON.
    strangers text not null,
    devices text not null,
    mails text not null,
    written_ms integer not null
) strict;

create index if not exists signin_tallies_of_nobody on signin_tallies (written_ms)
    where account < 0;

create table if not exists signin_devices (
    digest blob primary key,
    person integer not null,
    seen_ms integer not null,
    failures integer not null default 0
) strict, without rowid;

create index if not exists signin_devices_by_person on signin_devices (person);

create table if not exists signin_audit (
    id integer primary key,
    at_ms integer not null,
    actor text not null,
    act text not null,
    target text not null,
    address text not null,
    hash blob not null
) strict;

create table if not exists signin_passkeys (
    id blob primary key,
    person integer not null,
    -- The public key and its counter, as JSON.
    passkey text not null,
    created_ms integer not null,
    last_used_ms integer
) strict;

create index if not exists signin_passkeys_by_person on signin_passkeys (person);

create table if not exists signin_addresses (
    person integer primary key,
    address text not null
) strict;
