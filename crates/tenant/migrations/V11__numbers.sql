-- A number that was given is never given again, whatever is deleted. Run without foreign
-- keys: tables that are replaced keep what points to them.
create table users_new (
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
insert into users_new select * from users;
drop table users;
alter table users_new rename to users;

create table business_units_new (
    id integer primary key autoincrement,
    guid text not null unique,
    name text not null unique collate nocase,
    is_default integer not null default 0
) strict;
insert into business_units_new select * from business_units;
drop table business_units;
alter table business_units_new rename to business_units;

create table teams_new (
    id integer primary key autoincrement,
    guid text not null unique,
    name text not null unique collate nocase,
    business_unit integer references business_units (id) on delete set null,
    member_only integer not null default 0
) strict;
insert into teams_new select * from teams;
drop table teams;
alter table teams_new rename to teams;

create table custom_roles_new (
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
insert into custom_roles_new select * from custom_roles;
drop table custom_roles;
alter table custom_roles_new rename to custom_roles;

create trigger custom_roles_leave_nobody after delete on custom_roles begin
    delete from user_roles where role = old.name;
end;

create table policies_new (
    id integer primary key autoincrement,
    guid text not null unique,
    name text not null unique,
    -- Whether the vendor supplies it.
    is_default integer not null default 0,
    -- All of it but its guid and name, as JSON.
    definition text not null default '{}'
) strict;
insert into policies_new select * from policies;
drop table policies;
alter table policies_new rename to policies;

create table applications_new (
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
    custom_kms_alias text
) strict;
insert into applications_new select * from applications;
drop table applications;
alter table applications_new rename to applications;

create table sandboxes_new (
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
insert into sandboxes_new select * from sandboxes;
drop table sandboxes;
alter table sandboxes_new rename to sandboxes;
