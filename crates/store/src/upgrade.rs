//! Carries over what stores of the fifth schema hold of findings and changes: their
//! columns were texts, and what they are now is worked out by the program. And writes anew
//! what earlier versions worked out otherwise.

use countersign_findings::{Application, ApplicationGuid, Finding};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::columns::{Columns, Draft, NewRow, Texts};
use crate::error::Error;
use crate::raw::{Packing, Sort, Unpacker};
use crate::seal;
use crate::tally::Ledger;
use crate::writer::ChangeKind;

/// Whether there is something to carry over or to seal.
pub(crate) fn is_due(connection: &Connection) -> Result<bool, Error> {
    Ok(holds(connection, FIFTH)?
        || holds(connection, WORDS_DUE)?
        || !seal::is_complete(connection)?)
}

/// There while findings are as the fifth schema had them.
const FIFTH: &str = "findings_5";

/// There while words may be those of an earlier way to fold.
const WORDS_DUE: &str = "words_due";

fn holds(connection: &Connection, table: &str) -> Result<bool, Error> {
    let is_there: Option<i64> = connection
        .query_row("select 1 from sqlite_schema where name = ?", [table], |row| row.get(0))
        .optional()?;
    Ok(is_there.is_some())
}

/// Does nothing where there is nothing to do.
pub(crate) fn upgrade(connection: &mut Connection, packing: &Packing) -> Result<(), Error> {
    if holds(connection, FIFTH)? {
        carry_all(connection, packing)?;
    }
    if holds(connection, WORDS_DUE)? {
        write_words(connection)?;
    }
    if seal::is_complete(connection)? { Ok(()) } else { seal::everything(connection) }
}

fn carry_all(connection: &mut Connection, packing: &Packing) -> Result<(), Error> {
    let transaction = connection.transaction()?;
    let applications: Vec<(i64, i64, String, Vec<u8>)> = {
        let mut statement = transaction
            .prepare("select integration, id, guid, raw from applications order by id")?;
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for (integration, application, guid, packed) in applications {
        let guid = ApplicationGuid::parse(&guid).map_err(Error::corrupt)?;
        let raw = Unpacker::new(&transaction).unpack(&packed)?;
        let listed = Application::decode(&raw).map_err(Error::corrupt)?;
        transaction.execute(
            "update applications set policy = ?, policy_compliance = ?, criticality = ?
             where id = ?",
            params![
                listed.policy,
                listed.policy_compliance,
                listed.business_criticality,
                application
            ],
        )?;
        carry_over(&transaction, packing, integration, application, &guid)?;
    }
    carry_changes(&transaction)?;
    transaction.execute_batch("drop table changes_5; drop table findings_5;")?;
    Ok(transaction.commit()?)
}

fn carry_over(
    transaction: &Transaction<'_>,
    packing: &Packing,
    integration: i64,
    application: i64,
    guid: &ApplicationGuid,
) -> Result<(), Error> {
    let mut statement = transaction.prepare_cached(
        "select findings_5.id, context, contexts.name, gone, hash, raw,
            coalesce((select min(at_ms) from changes_5 c where c.finding_id = findings_5.finding_id
                and c.application = findings_5.application), first_found_ms, 0),
            coalesce((select read_ms from applications a where a.id = application), 0)
         from findings_5 join contexts on contexts.id = context where application = ?
         order by findings_5.id",
    )?;
    let mut unpacker = Unpacker::new(transaction);
    let mut texts = Texts::new(transaction);
    let mut ledger = None;
    let mut rows = statement.query([application])?;
    while let Some(row) = rows.next()? {
        let (number, context, name): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (gone, hash): (bool, [u8; 16]) = (row.get(3)?, row.get(4)?);
        let at_ms: i64 = row.get(6)?;
        let raw = unpacker.unpack(row.get_ref(5)?.as_blob().map_err(Error::corrupt)?)?;
        let context_name = name.parse().map_err(Error::corrupt)?;
        let finding = Finding::decode(&raw, guid, &context_name).map_err(Error::corrupt)?;
        let draft = Draft::of(&finding, context);
        let columns = Columns::of(&draft, &mut texts)?;
        let new = NewRow {
            application,
            at_ms,
            kind: Some(ChangeKind::New.code()),
            finding_id: &finding.id.to_bytes(),
            hash: &hash,
        };
        let inserted = columns.insert(transaction, &new)?;
        transaction.execute(
            "update findings set id = ?, gone = ? where id = ?",
            params![number, gone, inserted],
        )?;
        let sort = Sort::of(&finding.scan_type);
        if packing.sample(sort, &raw) {
            packing.train(transaction, sort)?;
        }
        transaction.execute(
            "insert into records (finding, raw) values (?, ?)",
            params![number, packing.pack(sort, &raw)?],
        )?;
        transaction.execute(
            "insert into words (rowid, text) values (?, ?)",
            params![number, draft.words],
        )?;
        let read_ms: i64 = row.get(7)?;
        let ledger = ledger.get_or_insert_with(|| {
            Ledger::new(transaction, integration, application, read_ms, true)
        });
        if !gone {
            ledger.moved(None, Some(&columns))?;
        }
    }
    match ledger {
        Some(ledger) => ledger.write(),
        None => Ok(()),
    }
}

/// The words of every finding anew. One that cannot be read keeps those it has until it is
/// read from the service again.
fn write_words(connection: &mut Connection) -> Result<(), Error> {
    let transaction = connection.transaction()?;
    {
        let mut statement = transaction.prepare(
            "select findings.id, context, contexts.name, applications.guid, records.raw
             from findings join contexts on contexts.id = context
                join applications on applications.id = findings.application
                join records on records.finding = findings.id
             order by findings.id",
        )?;
        let mut write =
            transaction.prepare("insert or replace into words (rowid, text) values (?, ?)")?;
        let mut unpacker = Unpacker::new(&transaction);
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (number, context): (i64, i64) = (row.get(0)?, row.get(1)?);
            let (name, guid): (String, String) = (row.get(2)?, row.get(3)?);
            let packed = row.get_ref(4)?.as_blob().map_err(Error::corrupt)?;
            let Ok(raw) = unpacker.unpack(packed) else { continue };
            let (Ok(guid), Ok(name)) = (ApplicationGuid::parse(&guid), name.parse()) else {
                continue;
            };
            let Ok(finding) = Finding::decode(&raw, &guid, &name) else { continue };
            write.execute(params![number, Draft::of(&finding, context).words])?;
        }
    }
    transaction.execute_batch("drop table words_due")?;
    Ok(transaction.commit()?)
}

fn carry_changes(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.execute(
        "insert into changes (seq, run, at_ms, finding, kind, reason, severity, differences)
         select seq, run, at_ms, findings.id,
            case changes_5.kind when 'new' then 0 when 'changed' then 1 when 'reopened' then 2 else 3 end,
            reason, changes_5.severity, differences
         from changes_5 join findings on findings.application = changes_5.application
            and findings.finding_id = unhex(changes_5.finding_id)
         order by seq",
        [],
    )?;
    transaction.execute(&seal::seal_changes(), [])?;
    transaction.execute(
        "update findings set (kind, changed_ms) =
            (select kind, at_ms from changes where finding = findings.id order by seq desc limit 1)
         where exists (select 1 from changes where finding = findings.id)",
        [],
    )?;
    Ok(())
}
