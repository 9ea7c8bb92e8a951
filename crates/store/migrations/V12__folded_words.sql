-- Words were in lower case, now they are folded as filters fold. The program writes them,
-- from the records, while this table is there: see `upgrade.rs`.
create table words_due (of_all integer) strict;
