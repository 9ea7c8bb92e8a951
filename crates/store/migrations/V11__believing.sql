-- What a record says and could not be read: the names of its members, in `texts`, where
-- number 0 is the empty text.
insert into texts (id, kind, hash, text) values (0, 9, 1449310910991872227, '');
insert into trigrams (rowid, text) values (0, '');
alter table findings add column notes integer not null default 0;
create index findings_by_notes on findings (application) where gone = 0 and notes <> 0;

-- The last scan as the application's record said it before the last complete reading, and
-- how many findings the last reading would have closed and did not.
alter table applications add column scanned_ms integer;
alter table applications add column held_back integer not null default 0;
