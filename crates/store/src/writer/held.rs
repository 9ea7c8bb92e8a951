//! What the store has of an application before a reading of it is written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use countersign_findings::{ApplicationGuid, Context, Finding, ScanType, Standing, State};

use crate::change::{ChangeKind, Reason};
use crate::columns::{Kind, find, state_of};
use crate::error::Error;
use crate::raw::Unpacker;
use crate::seal;
use crate::sql::{Connection, Optional};

/// Bytes of the content hash that are kept.
pub(super) const HASH_BYTES: usize = 16;

/// The bytes of a finding's id.
pub type Id = [u8; 10];

/// What the store has of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub(super) row: i64,
    pub(super) context: i64,
    pub(super) hash: [u8; HASH_BYTES],
    state: State,
    /// Whether it is one of software composition analysis.
    pub(super) is_sca: bool,
    /// Whether a complete reading no longer showed it.
    pub gone: bool,
    pub(super) damage: Option<Damage>,
}

/// What of a stored finding is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// Its record alone.
    Record,
    /// Its row, and so what was counted by it.
    Row,
}

impl Held {
    /// Whether the store has it otherwise than it was written: then it is written anew.
    pub fn is_damaged(&self) -> bool {
        self.damage.is_some()
    }

    /// How it stood.
    pub fn standing(&self) -> Standing {
        Standing { state: self.state, is_gone: self.gone }
    }

    /// Whether somebody still had to look at it.
    pub fn is_open(&self) -> bool {
        self.standing().is_open()
    }
}

/// What the store has of an application, and the contexts that it has them in.
pub(super) type Holdings = (HashMap<Id, Held>, HashMap<i64, Context>);

/// Records are looked at too when everything is read anew: then each can be mended.
pub(super) fn held(
    connection: &Connection,
    application: i64,
    guid: &str,
    is_full: bool,
) -> Result<Holdings, Error> {
    let guid = ApplicationGuid::parse(guid).map_err(Error::corrupt)?;
    let record = if is_full { "(select raw from records where finding = f.id)" } else { "null" };
    let mut statement = connection.prepare(&format!(
        "select id, context, finding_id, hash, state, gone, seal, {record}, scan_type, {}
         from findings f where application = ?",
        seal::FINDING
    ))?;
    let mut unpacker = Unpacker::new(connection);
    let sca = find(connection, Kind::ScanType, ScanType::Sca.as_str())?;
    let mut name = connection.prepare("select name from contexts where id = ?")?;
    let mut rows = statement.query([application])?;
    let (mut held, mut contexts) = (HashMap::new(), HashMap::new());
    while let Some(row) = rows.next()? {
        let context: i64 = row.get(1)?;
        if let Entry::Vacant(vacant) = contexts.entry(context) {
            let name: Option<String> = name.query_row([context], |row| row.get(0)).optional()?;
            // A row that points nowhere is not as it was written, which shows below.
            if let Some(name) = name {
                vacant.insert(name.parse().map_err(Error::corrupt)?);
            }
        }
        let is_sound = row.get::<Option<i64>>(6)? == Some(seal::of_finding(row, 9)?);
        let number = row.get(0)?;
        if !is_sound {
            let context = contexts.get(&context).unwrap_or(&Context::Policy);
            if let Some((id, mut entry)) = misread(connection, number, &guid, context)? {
                entry.context = row.get(1)?;
                held.insert(id, entry);
                continue;
            }
        }
        let hash: [u8; HASH_BYTES] = row.get(3)?;
        let is_record_sound = match row.get_ref(7)?.as_blob_or_null().map_err(Error::corrupt)? {
            _ if !is_full => true,
            Some(packed) => unpacker.unpack(packed).is_ok_and(|raw| seal::hash_of(&raw) == hash),
            None => false,
        };
        let entry = Held {
            row: number,
            context,
            hash,
            state: state_of(row.get(4)?)?,
            is_sca: sca == Some(row.get(8)?),
            gone: row.get(5)?,
            damage: match (is_sound, is_record_sound) {
                (false, _) => Some(Damage::Row),
                (true, false) => Some(Damage::Record),
                (true, true) => None,
            },
        };
        held.insert(row.get(2)?, entry);
    }
    Ok((held, contexts))
}

/// What a row that is not as it was written is of, by its record and the feed of changes;
/// none when the record does not say.
fn misread(
    connection: &Connection,
    row: i64,
    application: &ApplicationGuid,
    context: &Context,
) -> Result<Option<(Id, Held)>, Error> {
    let packed: Option<Vec<u8>> = connection
        .prepare("select raw from records where finding = ?")?
        .query_row([row], |row| row.get(0))
        .optional()?;
    let raw = packed.and_then(|packed| Unpacker::new(connection).unpack(&packed).ok());
    let Some(raw) = raw else { return Ok(None) };
    // Either the id may be wrong or the context that it is made of.
    let id: Vec<u8> = connection
        .prepare("select finding_id from findings where id = ?")?
        .query_row([row], |row| row.get(0))?;
    let mut names = connection.prepare("select name from contexts")?;
    let names = names.query_map([], |row| row.get::<String>(0))?;
    let names: Vec<String> = names.collect::<Result<_, _>>()?;
    let all = names.iter().filter_map(|name| name.parse::<Context>().ok());
    let by_id = all
        .filter_map(|context| Finding::decode(&raw, application, &context).ok())
        .find(|finding| finding.id.to_bytes().as_slice() == id);
    let finding = by_id.or_else(|| Finding::decode(&raw, application, context).ok());
    let Some(finding) = finding else { return Ok(None) };
    let last: Option<Option<Reason>> = connection
        .prepare(&format!(
            "select reason from changes where finding = ? and kind <> {} order by seq desc limit 1",
            ChangeKind::New.code()
        ))?
        .query_row([row], |row| row.get(0))
        .optional()?;
    let entry = Held {
        row,
        context: 0,
        hash: [0; HASH_BYTES],
        state: finding.state,
        is_sca: finding.scan_type == ScanType::Sca,
        gone: last.flatten() == Some(Reason::Vanished),
        damage: Some(Damage::Row),
    };
    Ok(Some((finding.id.to_bytes(), entry)))
}
