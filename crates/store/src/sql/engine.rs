//! What the engines do differently, a function for each difference.

use std::borrow::Cow;
use std::collections::HashMap;

#[cfg(feature = "postgres")]
use super::Value;
use super::{Bulk, Connection, Many, Optional, Result, Transaction, params};
use crate::columns::{NewText, searchable};

/// The time of the database in milliseconds, as an expression: of all machines it is one.
pub(crate) fn clock(connection: &Connection) -> &'static str {
    match connection {
        Connection::Sqlite(_) => "cast(unixepoch('subsec') * 1000 as integer)",
        // Not when the transaction began: it may have waited since.
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)",
    }
}

/// The same as a number.
pub(crate) fn now_ms(connection: &Connection) -> Result<i64> {
    let sql = format!("select {}", clock(connection));
    connection.prepare(&sql)?.query_row([], |row| row.get(0))
}

/// What keeps a question from rows that somebody else changes just now, and others from those
/// that it finds.
pub(crate) fn skip_locked(connection: &Connection) -> &'static str {
    match connection {
        // Nobody else changes anything meanwhile.
        Connection::Sqlite(_) => "",
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => "for update skip locked",
    }
}

/// What keeps others from changing the rows that a question finds, until its transaction ends.
pub(crate) fn for_update(connection: &Connection) -> &'static str {
    match connection {
        // Nobody else changes anything meanwhile.
        Connection::Sqlite(_) => "",
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => "for update",
    }
}

/// A column for which no index is used.
pub(crate) fn unindexed(connection: &Connection, column: &str) -> String {
    match connection {
        Connection::Sqlite(_) => format!("+{column}"),
        // It goes by what it expects to find.
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => column.to_owned(),
    }
}

/// A text as lists are sorted by it: small and capital letters of ASCII are one.
pub(crate) fn without_case(connection: &Connection, column: &str) -> String {
    match connection {
        Connection::Sqlite(_) => format!("{column} collate nocase"),
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) if column == "t.text" => "t.nocase".to_owned(),
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => format!("lower({column})"),
    }
}

/// That a text is like a pattern, as `countersign_findings::filter::is_like` has it: a condition
/// with one parameter, and the value of that.
pub(crate) fn is_like(connection: &Connection, column: &str, pattern: &str) -> (String, String) {
    match connection {
        Connection::Sqlite(_) => (format!("is_like({column}, ?)"), pattern.to_owned()),
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => {
            // Digits of an id have no case left.
            let column = if column == "t.text" { "t.folded" } else { column };
            (format!("{column} like ?"), like_pattern(pattern))
        }
    }
}

/// A pattern as `like` takes it.
#[cfg(feature = "postgres")]
fn like_pattern(pattern: &str) -> String {
    let mut like = String::with_capacity(pattern.len() + 2);
    for c in countersign_findings::filter::folded(pattern).chars() {
        match c {
            '*' => like.push('%'),
            '%' | '_' | '\\' => like.extend(['\\', c]),
            c => like.push(c),
        }
    }
    if pattern.contains('*') { like } else { format!("%{like}%") }
}

/// How many rows are written at once.
pub(crate) fn rows_at_once(connection: &Connection) -> usize {
    match connection {
        Connection::Sqlite(_) => 1,
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => 1000,
    }
}

/// The numbers of texts, by their places among these; none where each is asked for by itself.
pub(crate) fn find_texts(
    connection: &Connection,
    texts: &[NewText],
) -> Result<HashMap<usize, i64>> {
    match connection {
        Connection::Sqlite(_) => {
            let _ = texts;
            Ok(HashMap::new())
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) if texts.is_empty() => Ok(HashMap::new()),
        #[cfg(feature = "postgres")]
        Connection::Postgres(connection) => {
            let mut find = connection.prepare(
                "select n.place - 1, t.id from unnest(cast(? as bigint[]), cast(? as bigint[]),
                    cast(? as bytea[])) with ordinality as n(kind, hash, text, place)
                 join texts t on t.kind = n.kind and t.hash = n.hash and t.text = n.text",
            )?;
            let values = |text: &NewText| {
                let kind = Value::Integer(text.kind as i64);
                vec![kind, Value::Integer(text.hash), Value::Text(text.text.clone())]
            };
            let mut rows = find.query_arrays(texts.iter().map(values))?;
            let mut found = HashMap::new();
            while let Some(row) = rows.next()? {
                found.insert(super::postgres::get(row, 0)?, super::postgres::get(row, 1)?);
            }
            Ok(found)
        }
    }
}

/// Adds texts, where they are looked up at once. Another writer may add the same ones.
pub(crate) fn add_texts(connection: &Connection, texts: &[NewText]) -> Result<()> {
    match connection {
        Connection::Sqlite(_) => {
            let _ = texts;
            Ok(())
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(connection) => {
            // Each waits for the other where both add a text: in one order, for neither in vain.
            let mut add = connection.prepare(
                "insert into texts (kind, hash, text, folded, nocase)
                 select kind, hash, text, folded, nocase
                 from unnest(cast(? as bigint[]), cast(? as bigint[]), cast(? as bytea[]),
                    cast(? as bytea[]), cast(? as bytea[])) as n(kind, hash, text, folded, nocase)
                 order by kind, hash, text on conflict do nothing",
            )?;
            let values = |text: &NewText| {
                let folded = countersign_findings::filter::folded(&text.text).into_owned();
                let nocase = text.text.to_ascii_lowercase();
                let [kind, hash] = [text.kind as i64, text.hash].map(Value::Integer);
                let [text, folded, nocase] = [text.text.clone(), folded, nocase].map(Value::Text);
                vec![kind, hash, text, folded, nocase]
            };
            add.execute_arrays(texts.iter().map(values))
        }
    }
}

/// Adds a text that many findings share; answers its number.
pub(crate) fn add_text(connection: &Connection, kind: u8, hash: i64, text: &str) -> Result<i64> {
    match connection {
        Connection::Sqlite(sqlite) => {
            connection
                .prepare("insert into texts (kind, hash, text) values (?, ?, ?)")?
                .execute(params![kind, hash, text])?;
            // Not by `returning`: such a statement has a savepoint, at which both indexes of
            // words write what they hold, in many small pieces.
            let id = sqlite.last_insert_rowid();
            add_trigrams(connection, id, text)?;
            Ok(id)
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => {
            let folded = countersign_findings::filter::folded(text);
            // Most are there by now: see `add_texts`.
            connection
                .prepare(
                    "insert into texts (kind, hash, text, folded, nocase) values (?, ?, ?, ?, ?)
                     on conflict (kind, hash, sha256(text)) do update set hash = excluded.hash
                     returning id",
                )?
                .query_row(params![kind, hash, text, folded, text.to_ascii_lowercase()], |row| {
                    row.get(0)
                })
        }
    }
}

/// The same under a number that it has already.
pub(crate) fn put_text(
    connection: &Connection,
    id: i64,
    kind: u8,
    hash: i64,
    text: &str,
) -> Result<()> {
    match connection {
        Connection::Sqlite(_) => {
            connection
                .prepare("insert into texts (id, kind, hash, text) values (?, ?, ?, ?)")?
                .execute(params![id, kind, hash, text])?;
            add_trigrams(connection, id, text)?;
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => {
            let folded = countersign_findings::filter::folded(text);
            connection
                .prepare(
                    "insert into texts (id, kind, hash, text, folded, nocase)
                     values (?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![id, kind, hash, text, folded, text.to_ascii_lowercase()])?;
        }
    }
    Ok(())
}

fn add_trigrams(connection: &Connection, id: i64, text: &str) -> Result<()> {
    connection
        .prepare("insert into trigrams (rowid, text) values (?, ?)")?
        .execute(params![id, searchable(text)])?;
    Ok(())
}

/// That a text may be like a pattern which has these terms of an index of parts: a condition on
/// `texts t` with one parameter, and the value of that; none where there is no such index.
pub(crate) fn has_parts(
    connection: &Connection,
    pattern: &str,
    terms: String,
) -> Result<Option<(&'static str, String)>> {
    match connection {
        Connection::Sqlite(_) => {
            let _ = pattern;
            Ok(Some(("id in (select rowid from trigrams where trigrams match ?)", terms)))
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(connection) => Ok(connection
            .finds_parts()?
            .then(|| ("searchable(t.folded) like ?", like_pattern(pattern)))),
    }
}

/// What would make `like` quicker, in statements for who owns the database; none where nothing would.
pub(crate) fn missing_index(connection: &Connection) -> Result<Option<&'static str>> {
    match connection {
        Connection::Sqlite(_) => Ok(None),
        #[cfg(feature = "postgres")]
        Connection::Postgres(connection) => {
            Ok((!connection.finds_parts()?).then_some(super::postgres::PARTS))
        }
    }
}

/// The words of findings that are new, each once and with a space between them.
pub(crate) static NEW_WORDS: Bulk = Bulk {
    one: "insert into words (rowid, text) values (?, ?)",
    many: Many::Arrays(
        "insert into words (finding, words)
         select finding, string_to_array(words, ' ')
         from unnest(cast(? as bigint[]), cast(? as text[])) as n(finding, words)",
    ),
};

/// The same of those that may have some.
pub(crate) static WORDS: Bulk = Bulk {
    one: "insert or replace into words (rowid, text) values (?, ?)",
    many: Many::Arrays(
        "insert into words (finding, words)
         select finding, string_to_array(words, ' ')
         from unnest(cast(? as bigint[]), cast(? as text[])) as n(finding, words)
         on conflict (finding) do update set words = excluded.words",
    ),
};

/// That a finding has all of these words: a condition with one parameter, and the value of that.
/// It is asked of each row by itself, or of all that have the words.
pub(crate) fn has_words(
    connection: &Connection,
    words: &[String],
    is_each: bool,
) -> (&'static str, String) {
    match connection {
        Connection::Sqlite(_) => {
            let terms: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
            let condition = match is_each {
                true => "exists (select 1 from words where rowid = findings.id and words match ?)",
                false => "id in (select rowid from words where words match ?)",
            };
            (condition, terms.join(" AND "))
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => {
            let condition = match is_each {
                true => {
                    "exists (select 1 from words w where w.finding = findings.id
                        and w.words @> string_to_array(?, ' '))"
                }
                false => "id in (select finding from words where words @> string_to_array(?, ' '))",
            };
            (condition, words.join(" "))
        }
    }
}

/// The number that the feed of changes gave last. No number comes twice, whatever was deleted;
/// and until the transaction ends, nobody else gives one.
pub(crate) fn last_change(connection: &Connection) -> Result<i64> {
    let last = match connection {
        // As `autoincrement` counts.
        Connection::Sqlite(_) => {
            "select max(coalesce((select seq from sqlite_sequence where name = 'changes'), 0),
                coalesce((select max(seq) from changes), 0))"
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => "select value from counters where name = 'changes' for update",
    };
    connection.prepare(last)?.query_row([], |row| row.get(0))
}

/// Who else may count the findings of an integration until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Others that count what they wrote at its end, in one order.
    Beside,
    /// Nobody: what is counted before the end is in no order.
    Alone,
}

/// Waits until what is counted of an integration may be written so.
pub(crate) fn hold_counts(
    connection: &Connection,
    integration: i64,
    counting: Counting,
) -> Result<()> {
    match connection {
        Connection::Sqlite(_) => {
            let _ = (integration, counting);
            Ok(())
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(connection) => {
            let shared = if counting == Counting::Beside { "_shared" } else { "" };
            let key = super::postgres::counts_of(integration);
            connection.run(&format!("select pg_advisory_xact_lock{shared}({key})"))
        }
    }
}

/// Waits until nobody else writes the days of an integration: what a day begins with is what the
/// one before it ended with.
pub(crate) fn hold_days(connection: &Connection, integration: i64) -> Result<()> {
    match connection {
        Connection::Sqlite(_) => {
            let _ = integration;
            Ok(())
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => {
            let hold = "select id from integrations where id = ? for no key update";
            connection.prepare(hold)?.query_row([integration], |_| Ok(())).optional()?;
            Ok(())
        }
    }
}

/// What keeps others from a row until the transaction ends, behind a question.
pub(crate) fn held(connection: &Connection) -> &'static str {
    match connection {
        Connection::Sqlite(_) => "",
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => "for no key update",
    }
}

/// Whether numbers of changes are given when all else is written. Who gives them keeps others from
/// it until the transaction ends: so a number comes after those that can be seen, and a reader who
/// went on from the last one misses none.
pub(crate) fn numbers_changes_last(connection: &Connection) -> bool {
    match connection {
        Connection::Sqlite(_) => false,
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => true,
    }
}

/// Keeps numbers for so many findings that may come in for an integration, and notes its stretch.
/// Answers the number before them; none where they are given when findings are written, because
/// nobody else writes then. Not in the transaction that writes them: another one would wait.
pub(crate) fn reserve_rows(
    connection: &Connection,
    integration: i64,
    count: usize,
) -> Result<Option<i64>> {
    match connection {
        Connection::Sqlite(_) => {
            let _ = (integration, count);
            Ok(None)
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => {
            let reserve = "select reserve_findings(?, ?)";
            let values = params![integration, count];
            connection.prepare(reserve)?.query_row(values, |row| row.get(0)).map(Some)
        }
    }
}

/// The same for who writes nothing, and does not keep others from giving numbers.
pub(crate) fn noted_last_change(connection: &Connection) -> Result<i64> {
    match connection {
        Connection::Sqlite(_) => last_change(connection),
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => {
            let noted = "select value from counters where name = 'changes'";
            connection.query_row(noted, [], |row| row.get(0))
        }
    }
}

/// The number that a finding got last. Who writes it gives it one, and not the database, which
/// would have to be asked for each.
pub(crate) fn last_row(connection: &Connection) -> Result<i64> {
    let last = match connection {
        Connection::Sqlite(_) => "select coalesce(max(id), 0) from findings",
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => "select value from counters where name = 'findings'",
    };
    connection.prepare(last)?.query_row([], |row| row.get(0))
}

/// Lets what the engine numbers go on after the rows that were copied; findings and the feed of
/// changes after the number that each gave last.
pub(crate) fn numbers_go_on(
    connection: &Connection,
    last_change: i64,
    last_row: i64,
) -> Result<()> {
    match connection {
        // A number is the next after the highest, but for tables that never give one twice:
        // these have noted what was copied.
        Connection::Sqlite(_) => {
            let _ = last_row;
            let note = "update sqlite_sequence set seq = ? where name = 'changes'";
            if connection.execute(note, [last_change])? == 0 {
                let note = "insert into sqlite_sequence (name, seq) values ('changes', ?)";
                connection.execute(note, [last_change])?;
            }
            Ok(())
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => {
            let mut statement = connection.prepare(
                "select cast(table_name as text), cast(column_name as text)
                 from information_schema.columns
                 where is_identity = 'YES' and table_schema = current_schema()",
            )?;
            let columns = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            for (table, column) in columns.collect::<Result<Vec<(String, String)>>>()? {
                let go_on = format!(
                    "select setval(pg_get_serial_sequence('{table}', '{column}'), max({column}))
                     from {table} having max({column}) > 0"
                );
                connection.query_row(&go_on, [], |_| Ok(())).optional()?;
            }
            let note = "update counters set value = ? where name = 'findings'";
            connection.execute(note, [last_row])?;
            note_last_change(connection, last_change)
        }
    }
}

/// Notes the number that the feed of changes gave last.
pub(crate) fn note_last_change(connection: &Connection, seq: i64) -> Result<()> {
    match connection {
        // `autoincrement` has noted it.
        Connection::Sqlite(_) => {
            let _ = seq;
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => {
            let note = "update counters set value = ? where name = 'changes'";
            connection.prepare(note)?.execute([seq])?;
        }
    }
    Ok(())
}

/// A text as the engine can hold it.
pub(crate) fn storable<'a>(connection: &Connection, text: &'a str) -> Cow<'a, str> {
    match connection {
        Connection::Sqlite(_) => text.into(),
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => super::postgres::storable(text),
    }
}

/// What holds a reader to one moment, for all that it asks. SQLite needs nothing: what is asked
/// while rows are read is of the moment of these rows.
pub(crate) fn moment(connection: &Connection) -> Result<Option<Transaction<'_>>> {
    match connection {
        Connection::Sqlite(_) => Ok(None),
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => connection.snapshot().map(Some),
    }
}

/// The tables that can be looked at one by one for damage that the engine knows of.
pub(crate) fn tables_to_check(connection: &Connection) -> Result<Vec<String>> {
    match connection {
        Connection::Sqlite(_) => {
            let mut statement = connection
                .prepare("select name from sqlite_schema where type = 'table' order by name")?;
            statement.query_map([], |row| row.get(0))?.collect()
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => Ok(Vec::new()),
    }
}

/// What the engine knows to be damaged, of a table or of everything: `most` lines at most.
pub(crate) fn damage(
    connection: &Connection,
    table: Option<&str>,
    most: usize,
) -> Result<Vec<String>> {
    match connection {
        Connection::Sqlite(_) => {
            let argument = match table {
                Some(name) => format!("'{}'", name.replace('\'', "''")),
                None => most.to_string(),
            };
            let transaction = connection.snapshot()?;
            see_words_as_they_are(&transaction)?;
            let mut statement =
                transaction.prepare(&format!("pragma integrity_check({argument})"))?;
            let lines = statement.query_map([], |row| row.get::<String>(0))?;
            let lines = lines.filter(|line| line.as_ref().map_or(true, |line| line != "ok"));
            lines.take(most).collect()
        }
        // Its pages have checksums of their own, and its indexes `pg_amcheck`.
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => Ok(Vec::new()),
    }
}

/// A connection keeps the list of blocks of an FTS5 index from its last search. A search looks
/// whether another connection wrote since then; `integrity_check` does not, misses the blocks
/// that were merged in the meantime and reports a sound index as damaged. So each index is
/// searched first, in the transaction of the check.
fn see_words_as_they_are(connection: &Connection) -> Result<()> {
    let mut statement = connection
        .prepare("select name from pragma_table_list where schema = 'main' and type = 'virtual'")?;
    let names = statement.query_map([], |row| row.get::<String>(0))?;
    for name in names.collect::<Result<Vec<_>>>()? {
        let sql = format!("select rowid from {name} where {name} match 'any' limit 1");
        connection.query_row(&sql, [], |_| Ok(())).optional()?;
    }
    Ok(())
}

/// Rows that refer to rows which are not there: table, what it refers to, how many.
pub(crate) fn broken_references(
    connection: &Connection,
    most: usize,
) -> Result<Vec<(String, String, u64)>> {
    match connection {
        Connection::Sqlite(_) => {
            let mut statement = connection.prepare(&format!(
                "select \"table\", parent, count(*) from pragma_foreign_key_check
                 group by 1, 2 limit {most}"
            ))?;
            let rows =
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        }
        // It refuses all others whoever writes.
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => {
            let count = "select count(*) from findings f
                where not exists (select 1 from contexts c where c.id = f.context)";
            let count: u64 = connection.query_row(count, [], |row| row.get(0))?;
            let broken = (count > 0).then(|| ("findings".into(), "contexts".into(), count));
            Ok(broken.into_iter().collect())
        }
    }
}
