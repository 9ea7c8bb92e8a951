//! Whole applications, sent again whenever they are different.

use std::collections::BTreeMap;

use countersign_findings::Application;
use countersign_findings::filter::{Expression, Field, Operator, Value};
use countersign_store::{
    Action, ChangeRow, DeliveryMode, DestinationId, DestinationRow, Error, FindingRow, NewSend,
    Order, Planned, Query, SendState, Want,
};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::tickets::damaged;
use super::{BATCH, Outcome, Planner};
use crate::destination::Destination;
use crate::receiver::{Uploads, Whole};

/// Findings that are read at once.
const PAGE: u32 = 1_000;
const APPLICATIONS: u32 = 50;

/// Which application an upload is of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UploadPayload {
    pub(crate) application: String,
    pub(crate) integration: String,
    /// Of the content.
    pub(crate) digest: String,
}

impl Planner<'_> {
    /// Notes which applications the new changes are about.
    pub(super) async fn note_applications(
        &mut self,
        destination: &Destination,
        row: DestinationRow,
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let mut cursor = row.cursor;
        loop {
            let (changes, is_last) = self.changes(cursor, BATCH).await?;
            let Some(end) = changes.last().map(|(change, _)| change.seq) else { break };
            outcome.changes += changes.len() as u64;
            let wants = self.noted(destination, row.id, &changes).await?;
            let planned = Planned { cursor: Some(end), wants, ..Planned::default() };
            let moved = self.store.plan_sends(row.id, cursor, planned, self.now_ms()).await?;
            if !moved || is_last {
                break;
            }
            cursor = end;
        }
        Ok(outcome)
    }

    /// The applications of some changes. What the filter leaves out may have been in the last
    /// upload of its application, if there was one.
    async fn noted(
        &self,
        destination: &Destination,
        id: DestinationId,
        changes: &[(ChangeRow, Option<FindingRow>)],
    ) -> Result<Vec<Want>, Error> {
        let mut wants: BTreeMap<String, (Want, bool)> = BTreeMap::new();
        for (change, found) in changes {
            let Some(found) = found else { continue };
            let want = want_of(found, change.seq)?;
            let held = wants.entry(want.group.clone()).or_insert((want, false));
            held.0.to_seq = change.seq;
            held.1 |= is_in_place(destination, found);
        }
        let keys: Vec<_> = wants.keys().cloned().collect();
        let links = self.store.links_of(id, keys.clone()).await?;
        let active = self.store.active_sends(id, keys).await?;
        let is_sent = |key: &String| links.contains_key(key) || active.contains_key(key);
        let kept = wants.into_iter().filter(|(key, (_, is_in_place))| *is_in_place || is_sent(key));
        Ok(kept.map(|(_, (want, _))| want).collect())
    }

    /// Writes down an upload for each application whose content is another one now.
    pub(super) async fn look_at_applications(
        &mut self,
        destination: &Destination,
        uploads: &dyn Uploads,
        (id, mode): (DestinationId, DeliveryMode),
        mut outcome: Outcome,
    ) -> Result<Outcome, Error> {
        let mut after = None;
        loop {
            let wants = self.store.wants(id, after.as_ref(), APPLICATIONS).await?;
            let Some(last) = wants.last().cloned() else { break };
            let keys: Vec<_> = wants.iter().map(|want| want.group.clone()).collect();
            let links = self.store.links_of(id, keys.clone()).await?;
            let active = self.store.active_sends(id, keys).await?;
            for want in wants {
                // One upload at a time; this one is of what is there when it is sent.
                if active.contains_key(&want.group) {
                    continue;
                }
                let known = links.get(&want.group).map(|link| link.digest.as_str());
                let planned = self.upload(destination, uploads, mode, want, known).await?;
                for send in &planned.sends {
                    match send.state {
                        SendState::Skipped => outcome.skipped += 1,
                        _ => outcome.planned += 1,
                    }
                }
                self.write(id, planned).await?;
            }
            after = Some(last);
        }
        Ok(outcome)
    }

    async fn upload(
        &mut self,
        destination: &Destination,
        uploads: &dyn Uploads,
        mode: DeliveryMode,
        want: Want,
        known: Option<&str>,
    ) -> Result<Planned, Error> {
        let mut subject: UploadPayload = serde_json::from_str(&want.subject).map_err(damaged)?;
        let content = self.content(destination, uploads, &subject).await?;
        let mut planned =
            Planned { done: vec![(want.group.clone(), want.to_seq)], ..Planned::default() };
        let (state, reason) = match (content, mode) {
            (Err(why), _) => (SendState::Skipped, Some(why)),
            (Ok((_, content)), mode) => {
                subject.digest = digest(&content);
                match mode {
                    _ if known == Some(subject.digest.as_str()) => return Ok(planned),
                    DeliveryMode::Simulate => (SendState::Simulated, None),
                    _ => (SendState::Pending, None),
                }
            }
        };
        planned.sends.push(NewSend {
            uid: self.uid(),
            group: want.group,
            from_seq: want.from_seq,
            to_seq: want.to_seq,
            action: Action::Upload,
            payload: serde_json::to_string(&subject).map_err(damaged)?,
            state,
            reason,
        });
        Ok(planned)
    }

    /// What an application would be sent as, or why it is not. One whose findings are all gone
    /// is sent too: a receiver keeps what it was sent before else.
    pub(crate) async fn content(
        &mut self,
        destination: &Destination,
        uploads: &dyn Uploads,
        subject: &UploadPayload,
    ) -> Result<Result<(Application, Vec<u8>), String>, Error> {
        let UploadPayload { application, integration, .. } = subject;
        let Some(application) = self.application_named(integration, application).await? else {
            return Ok(Err("nothing is known of its application any more".into()));
        };
        if let Err(why) = uploads.place(&application) {
            return Ok(Err(why));
        }
        let rows = self.all_of(subject).await?.into_iter();
        let rows: Vec<_> = rows.filter(|row| is_in_place(destination, row)).collect();
        let content = uploads.render(&Whole { application: &application, rows: &rows });
        Ok(content.map(|content| (application, content)))
    }

    /// All findings of an application, those that its filter leaves out among them.
    async fn all_of(&self, subject: &UploadPayload) -> Result<Vec<FindingRow>, Error> {
        let is =
            |field, text: &str| Expression::of(field, Operator::Eq, Value::Text(text.to_owned()));
        let filter = Expression::all([
            is(Field::Application, &subject.application),
            is(Field::Integration, &subject.integration),
        ]);
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let query = Query { filter: filter.clone(), limit: PAGE, after, order: Order::Arrival };
            let page = self.store.findings(query).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.seek);
            all.extend(page);
        }
        Ok(all)
    }
}

/// Whether a finding belongs into the upload of its application, whatever its state: a
/// receiver closes what is missing, or is told of it.
pub(super) fn is_in_place(destination: &Destination, row: &FindingRow) -> bool {
    if row.finding.state.is_open() {
        return destination.holds(row);
    }
    let mut open = row.finding.clone();
    open.state = countersign_findings::State::Open;
    destination.filter.matches(&open, row.origin())
}

pub(super) fn want_of(row: &FindingRow, seq: i64) -> Result<Want, Error> {
    let subject = UploadPayload {
        application: row.finding.application.to_string(),
        integration: row.integration.clone(),
        digest: String::new(),
    };
    let mut hash = Sha256::new();
    hash.update(subject.integration.as_bytes());
    hash.update([0]);
    hash.update(subject.application.as_bytes());
    Ok(Want {
        group: HEXLOWER.encode(&hash.finalize()[..10]),
        subject: serde_json::to_string(&subject).map_err(damaged)?,
        from_seq: seq,
        to_seq: seq,
        events: "{}".into(),
    })
}

pub(crate) fn digest(content: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(content)[..16])
}
