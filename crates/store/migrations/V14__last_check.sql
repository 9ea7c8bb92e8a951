-- How the last look at everything that is stored ended: one row, or none before the first.
create table last_check (
    id integer primary key check (id = 1),
    at_ms integer not null,
    problems integer not null,
    -- The first of them, in words.
    first text,
    is_mended_by_full_sync integer not null
) strict;
