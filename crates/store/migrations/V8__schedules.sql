-- What the scheduler remembers of each integration. A row comes with the first word
-- about it: a pause, a wish, or a run.
create table schedules (
    integration integer primary key references integrations (id) on delete cascade,
    -- Drawn once: where in its jitter this integration lies.
    draw integer,
    paused_ms integer,
    -- That somebody wants a run now.
    asked_ms integer,
    -- When the last run that the plan wanted was due.
    due_ms integer,
    started_ms integer,
    -- None while it runs, and after a process that died in the middle.
    ended_ms integer,
    -- The last complete reading of everything.
    full_ms integer,
    failures integer not null default 0,
    fault text,
    problem text
) strict;
