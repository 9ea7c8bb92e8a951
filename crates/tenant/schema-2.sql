-- What 0.3 adds to the schema of 0.2.

-- When a finding last came to be another one; 0 until the change that did it ends.
alter table findings add column updated_ms integer not null default 0;

update findings set updated_ms = max(first_found_ms, last_seen_ms, coalesce(mitigated_ms, 0));

create index findings_not_dated on findings (id) where updated_ms = 0;

create trigger findings_are_dated
after update of status, resolution, resolution_status, review_status, severity, violates_policy,
    mitigated_ms, annotations on findings
when new.status is not old.status or new.resolution is not old.resolution
    or new.resolution_status is not old.resolution_status
    or new.review_status is not old.review_status or new.severity is not old.severity
    or new.violates_policy is not old.violates_policy
    or new.mitigated_ms is not old.mitigated_ms or new.annotations is not old.annotations
begin
    update findings set updated_ms = 0 where id = new.id;
end;

-- Reports of the Reporting API: what was asked for, and the findings that were in it.
create table reports (
    guid text primary key,
    user integer not null references users (id) on delete cascade,
    report_type text not null,
    requested_ms integer not null,
    completed_ms integer not null,
    expires_ms integer not null
) strict;

create table report_findings (
    report text not null references reports (guid) on delete cascade,
    ordinal integer not null,
    finding integer not null,
    primary key (report, ordinal)
) strict, without rowid;
