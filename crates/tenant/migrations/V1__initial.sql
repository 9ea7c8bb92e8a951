create table meta (name text primary key, value text not null) strict;

create table users (
    id integer primary key,
    guid text not null unique,
    name text not null unique collate nocase,
    email text not null,
    first_name text not null,
    last_name text not null,
    is_api integer not null,
    active integer not null default 1,
    login_enabled integer not null default 1,
    pin_required integer not null default 0,
    ip_restricted integer not null default 0,
    allowed_ips text not null default '[]',
    created_ms integer not null
) strict;

create table user_roles (
    user integer not null references users (id) on delete cascade,
    role text not null,
    primary key (user, role)
) strict, without rowid;

create table credentials (
    api_id text primary key,
    user integer not null references users (id) on delete cascade,
    sealed blob not null,
    created_ms integer not null,
    expires_ms integer not null,
    -- From when on it is refused; may lie ahead while an old pair overlaps.
    revoked_ms integer,
    revoked_by text,
    last_used_ms integer
) strict;

create index credentials_by_user on credentials (user, created_ms);

create table business_units (
    id integer primary key,
    guid text not null unique,
    name text not null unique collate nocase,
    is_default integer not null default 0
) strict;

create table teams (
    id integer primary key,
    guid text not null unique,
    name text not null unique collate nocase,
    business_unit integer references business_units (id) on delete set null
) strict;

create table team_members (
    team integer not null references teams (id) on delete cascade,
    user integer not null references users (id) on delete cascade,
    relationship text not null default 'MEMBER',
    primary key (team, user)
) strict, without rowid;

create table policies (
    id integer primary key,
    guid text not null unique,
    name text not null unique,
    is_default integer not null default 0
) strict;

create table applications (
    id integer primary key,
    guid text not null unique,
    name text not null unique collate nocase,
    tags text,
    business_unit integer not null references business_units (id),
    business_owners text not null default '[]',
    policy integer not null references policies (id),
    compliance text not null default 'NOT_ASSESSED',
    custom_fields text,
    description text,
    business_criticality text not null,
    git_repo_url text,
    build_id integer,
    created_ms integer not null,
    modified_ms integer not null,
    policy_checked_ms integer,
    last_scan_ms integer
) strict;

create table application_teams (
    application integer not null references applications (id) on delete cascade,
    team integer not null references teams (id) on delete cascade,
    primary key (application, team)
) strict, without rowid;

create table scans (
    application integer not null references applications (id) on delete cascade,
    scan_type text not null,
    status text not null,
    modified_ms integer not null,
    analysis integer not null,
    unit integer not null,
    primary key (application, scan_type)
) strict, without rowid;

create table sandboxes (
    id integer primary key,
    guid text not null unique,
    application integer not null references applications (id) on delete cascade,
    name text not null collate nocase,
    owner text not null,
    auto_recreate integer not null default 0,
    created_ms integer not null,
    modified_ms integer not null,
    unique (application, name)
) strict;

-- Texts that many findings share, as JSON strings with their quotes.
create table texts (id integer primary key, json text not null) strict;

-- `details` is JSON whose links begin with the byte 0x01 instead of scheme and
-- host: a raw control character cannot occur in JSON otherwise.
create table findings (
    id integer primary key,
    application integer not null references applications (id) on delete cascade,
    -- 0 is the policy context.
    sandbox integer not null default 0,
    is_sca integer not null,
    ordinal integer not null,
    issue_id integer,
    scan_type text not null,
    severity integer not null,
    cwe integer,
    category integer,
    cvss real,
    cve text,
    violates_policy integer not null,
    is_new integer not null,
    status text not null,
    resolution text not null,
    resolution_status text not null,
    review_status text,
    first_found_ms integer not null,
    last_seen_ms integer not null,
    grace_ms integer,
    mitigated_ms integer,
    scan_mode text,
    dependency_mode text,
    build_id integer,
    text integer not null references texts (id),
    details text not null,
    annotations text,
    unique (application, sandbox, is_sca, ordinal)
) strict;
