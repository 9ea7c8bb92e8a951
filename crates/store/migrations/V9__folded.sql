-- The index folded case by itself, and only that of the letters that SQLite knows. It holds
-- texts as filters compare them.
drop table trigrams;

create virtual table trigrams using fts5 (
    text, content = '', detail = none, tokenize = 'trigram case_sensitive 1'
);

insert into trigrams (rowid, text) select id, searchable(text) from texts order by id;
