-- Mails that are due; what delivers them is another matter.
create table outbox (
    id integer primary key,
    kind text not null,
    recipient text not null,
    subject text not null,
    body text not null,
    due_ms integer not null,
    api_id text,
    unique (kind, api_id)
) strict;
