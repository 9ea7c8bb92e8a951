alter table teams add column member_only integer not null default 0;

-- Only what differs from the defaults.
alter table applications add column settings text not null default '{}';
alter table applications add column archer_app_name text;
alter table applications add column custom_kms_alias text;

alter table sandboxes add column custom_fields text;
