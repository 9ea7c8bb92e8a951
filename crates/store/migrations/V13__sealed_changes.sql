-- A digest of what a row of the feed says: see `seal.rs`. What an earlier version wrote is
-- sealed as it is.
alter table changes add column seal integer;
update changes as c set seal = (select sealed(c.seq, c.run, c.at_ms, c.finding, f.finding_id,
    c.kind, c.reason, c.severity, c.differences) from findings f where f.id = c.finding);
