-- All of a policy but its guid and name, as JSON.
alter table policies add column definition text not null default '{}';

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
