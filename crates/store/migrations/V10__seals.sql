-- A digest of the columns that are not in the record as sent, and of those that lists and
-- exports filter by: see `seal.rs`. Null until the row is sealed by the program.
alter table findings add column seal integer;
alter table applications add column seal integer;
