-- Numbers of what can be deleted are `autoincrement`: one that was given is never given
-- again.

create table meta (name text primary key, value text not null) strict;

create table users (
    id integer primary key autoincrement,
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

create table custom_roles (
    id integer primary key autoincrement,
    guid text not null unique,
    name text not null unique collate nocase,
    description text not null,
    is_api integer not null,
    jit_assignable integer not null,
    jit_assignable_default integer not null,
    -- Names, as JSON.
    permissions text not null,
    child_roles text not null
) strict;

create trigger custom_roles_leave_nobody after delete on custom_roles begin
    delete from user_roles where role = old.name;
end;

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

create table business_units (
    id integer primary key autoincrement,
    guid text not null unique,
    name text not null unique collate nocase,
    is_default integer not null default 0
) strict;

create table teams (
    id integer primary key autoincrement,
    guid text not null unique,
    name text not null unique collate nocase,
    business_unit integer references business_units (id) on delete set null,
    member_only integer not null default 0
) strict;

create table team_members (
    team integer not null references teams (id) on delete cascade,
    user integer not null references users (id) on delete cascade,
    relationship text not null default 'MEMBER',
    primary key (team, user)
) strict, without rowid;

create table policies (
    id integer primary key autoincrement,
    guid text not null unique,
    name text not null unique,
    -- Whether the vendor supplies it.
    is_default integer not null default 0,
    -- All of it but its guid and name, as JSON.
    definition text not null default '{}'
) strict;

create table applications (
    id integer primary key autoincrement,
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
    last_scan_ms integer,
    -- Only what differs from the defaults.
    settings text not null default '{}',
    archer_app_name text,
    custom_kms_alias text,
    -- What was imported, scrubbed, as it was recorded, and as this program would have written
    -- it then: what differs from the latter has changed since. Null where the two are the
    -- same. Findings have both as well.
    recorded text,
    recorded_then text
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
    id integer primary key autoincrement,
    guid text not null unique,
    application integer not null references applications (id) on delete cascade,
    name text not null collate nocase,
    owner text not null,
    auto_recreate integer not null default 0,
    created_ms integer not null,
    modified_ms integer not null,
    custom_fields text,
    unique (application, name)
) strict;

create table collections (
    id integer primary key autoincrement,
    guid text not null unique,
    name text not null unique collate nocase,
    description text,
    -- One comma-separated text.
    tags text not null default '',
    restricted integer not null default 0,
    business_unit integer references business_units (id) on delete set null,
    custom_fields text not null default '[]',
    created_ms integer not null,
    modified_ms integer not null
) strict;

create table collection_assets (
    collection integer not null references collections (id) on delete cascade,
    application integer not null references applications (id) on delete cascade,
    primary key (collection, application)
) strict, without rowid;

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
    recorded text,
    recorded_then text,
    unique (application, sandbox, is_sca, ordinal)
) strict;

create table cwes (
    id integer primary key,
    name text not null,
    description text not null,
    severity integer not null,
    remediation_effort integer not null,
    recommendation text not null
) strict;

create table categories (
    id integer primary key,
    name text not null,
    description text not null,
    recommendation text not null
) strict;

create table custom_fields (
    name text primary key collate nocase,
    sort_order integer not null
) strict;

-- What people say about vulnerabilities and licences of components, the whole
-- history of it.
create table sca_annotations (
    id integer primary key,
    application integer not null references applications (id) on delete cascade,
    annotation_type text not null,
    component_id text not null,
    -- The vulnerability or the licence.
    subject text not null,
    action text not null,
    comment text not null,
    status text not null,
    user_name text not null,
    created_ms integer not null
) strict;

create index sca_annotations_by_subject
    on sca_annotations (application, annotation_type, component_id, subject);

-- Mails that are due, and those that were sent.
create table outbox (
    id integer primary key,
    kind text not null,
    recipient text not null,
    subject text not null,
    body text not null,
    due_ms integer not null,
    api_id text,
    html text not null default '',
    sent_ms integer,
    attempts integer not null default 0,
    next_ms integer not null default 0,
    unique (kind, api_id)
) strict;

create index outbox_waiting on outbox (next_ms) where sent_ms is null;
