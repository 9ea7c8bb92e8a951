//! Damaged files: whatever SQLite or the hashes of the records can know is told, and
//! nothing is read that was not written.

use std::fs;
use std::path::Path;

use countersign_store::Store;
use rusqlite::{Connection, OptionalExtension};

use crate::suite::damage::{cells, healthy};

/// A sequence of numbers that is the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// The pages of each table and each index, by name.
fn pages(path: &Path) -> Vec<(String, Vec<usize>)> {
    let connection = Connection::open(path).unwrap();
    let sql = "select name, group_concat(pageno) from dbstat group by name order by name";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).unwrap();
    rows.map(|row| {
        let (name, numbers) = row.unwrap();
        (name, numbers.split(',').map(|one| one.parse().unwrap()).collect())
    })
    .collect()
}

const PAGE: usize = 4096;

/// Damages a copy of the store; answers what was done.
fn damage(path: &Path, pages: &[(String, Vec<usize>)], seed: u64) -> String {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..8 {
        numbers.below(2);
    }
    let mut bytes = fs::read(path).unwrap();
    let at = seed as usize % pages.len();
    let (name, of) = &pages[at];
    let start = (numbers.of(of) - 1) * PAGE;
    let told = match seed % 10 {
        // A byte turned in a page of each table and index.
        0..=4 => {
            // Zeros are free space, mostly.
            let mut at = start + numbers.below(PAGE);
            while bytes[at] == 0 {
                at = start + numbers.below(PAGE);
            }
            bytes[at] ^= 1 << numbers.below(8);
            format!("a bit of `{name}` at {at}")
        }
        5 => {
            bytes[start..start + PAGE].fill(0);
            format!("a page of `{name}` is zeros")
        }
        6 => {
            let other = (numbers.of(of) - 1) * PAGE;
            let (one, two) =
                (bytes[start..start + PAGE].to_vec(), bytes[other..other + PAGE].to_vec());
            bytes[start..start + PAGE].copy_from_slice(&two);
            bytes[other..other + PAGE].copy_from_slice(&one);
            format!("two pages of `{name}` change places")
        }
        7 => {
            let length = PAGE + numbers.below(bytes.len() - PAGE);
            bytes.truncate(length);
            format!("cut to {length} bytes")
        }
        8 => {
            // Page counts, the free list, formats.
            let at =
                *numbers.of(&[16, 18, 19, 20, 21, 28, 29, 30, 31, 32, 35, 36, 39, 44, 47, 56, 59]);
            bytes[at] ^= 1 << numbers.below(8);
            format!("a bit of the header at {at}")
        }
        _ => {
            fs::write(path, &bytes).unwrap();
            return edit(path, &mut numbers);
        }
    };
    fs::write(path, &bytes).unwrap();
    told
}

/// What somebody does with a tool for databases, who keeps pages whole.
fn edit(path: &Path, numbers: &mut Numbers) -> String {
    let connection = Connection::open(path).unwrap();
    let row = 1 + numbers.below(200);
    let sql = match numbers.below(8) {
        0 => format!("update records set raw = zeroblob(40) where finding = {row}"),
        1 => format!(
            "update records set raw = (select raw from records where finding = {row} + 1) where finding = {row}"
        ),
        2 => format!("update findings set severity = (severity + 1) % 6 where id = {row}"),
        3 => format!("update findings set added_ms = added_ms + 1 where id = {row}"),
        4 => format!("delete from records where finding = {row}"),
        5 => format!("update findings set gone = 1 where id = {row}"),
        6 => "update tallies set findings = findings + 1 where rowid = 3".to_owned(),
        _ => "update applications set name = name || 'x' where id = 1".to_owned(),
    };
    assert_eq!(connection.execute(&sql, []).unwrap(), 1, "{sql}");
    sql
}

/// Takes a row out of an index and leaves the table as it is.
fn lose_an_entry(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let sql: String = connection
        .query_row("select sql from sqlite_schema where name = 'findings_by_severity'", [], |row| {
            row.get(0)
        })
        .unwrap();
    connection
        .execute_batch(
            "pragma writable_schema = on;
             update sqlite_schema set sql = replace(sql, 'gone = 0', 'gone = 0 and id <> 17')
                where name = 'findings_by_severity';
             pragma writable_schema = reset;
             reindex findings_by_severity;
             pragma writable_schema = on;",
        )
        .unwrap();
    let update = "update sqlite_schema set sql = ? where name = 'findings_by_severity'";
    connection.execute(update, [sql]).unwrap();
}

/// What SQLite, or a hash of a record, says of it: none when they say nothing.
fn known(path: &Path) -> Option<String> {
    let told = (|| {
        let connection = Connection::open(path)?;
        for check in ["quick_check", "integrity_check"] {
            let sql = format!("pragma {check}");
            let said: String = connection.query_row(&sql, [], |row| row.get(0))?;
            if said != "ok" {
                return Ok(Some(said));
            }
        }
        // Packed otherwise than at the start, a record does not hash to itself.
        connection
            .query_row(
                "select id from findings f left join records on finding = f.id
                 where raw is null or length(hash) <> 16",
                [],
                |row| Ok(format!("record of {}", row.get::<_, i64>(0)?)),
            )
            .optional()
    })();
    told.unwrap_or_else(|error: rusqlite::Error| Some(error.to_string()))
}

#[tokio::test]
async fn damage_is_told_and_nothing_wrong_is_read() {
    let folder = tempfile::tempdir().unwrap();
    healthy(folder.path()).await;
    let sound = folder.path().join("store.sqlite");
    let pages = pages(&sound);
    assert!(pages.len() > 40, "{pages:?}");
    let store = Store::open(&sound).await.unwrap();
    assert_eq!(store.check().await.unwrap(), []);
    let truth = cells(&store).await.unwrap();
    assert_eq!(truth.len(), 582);
    store.close().await;
    let (mut told, mut unknown) = (0, 0);
    for seed in 0..150 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite");
        fs::copy(&sound, &path).unwrap();
        let what = damage(&path, &pages, seed);
        let known = known(&path);
        let (problems, read) = match Store::open(&path).await {
            Err(error) => (vec![error.to_string()], None),
            Ok(store) => {
                let found = store.check().await;
                let problems = match found {
                    Ok(found) => found.into_iter().map(|one| one.what).collect(),
                    Err(error) => vec![error.to_string()],
                };
                let mut checkup = store.checkup().await.unwrap();
                // In pieces it may see less of the pages, and never fails where it goes on.
                while checkup.step().await.unwrap().is_some() {}
                (problems, cells(&store).await.ok())
            }
        };
        if let Some(known) = &known {
            assert!(!problems.is_empty(), "{seed}: {what}: SQLite knows: {known}");
        }
        if let Some(read) = read {
            let is_noticed = read == ["an export notices"];
            assert!(is_noticed || read == truth, "{seed}: {what}: {problems:?}");
        }
        match problems.is_empty() {
            true => unknown += 1,
            false => told += 1,
        }
    }
    // What is left are bits that nothing shows.
    assert!(told > 4 * unknown, "{told} told, {unknown} unknown");
}

#[tokio::test]
async fn an_entry_that_an_index_lost_is_told() {
    let folder = tempfile::tempdir().unwrap();
    healthy(folder.path()).await;
    let path = folder.path().join("store.sqlite");
    lose_an_entry(&path);
    let store = Store::open(&path).await.unwrap();
    let problems = store.check().await.unwrap();
    assert!(problems.iter().any(|one| one.what.contains("findings_by_severity")), "{problems:?}");
}
