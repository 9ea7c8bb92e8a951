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
