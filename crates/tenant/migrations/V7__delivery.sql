alter table outbox add column sent_ms integer;
alter table outbox add column attempts integer not null default 0;
alter table outbox add column next_ms integer not null default 0;

create index outbox_waiting on outbox (next_ms) where sent_ms is null;
