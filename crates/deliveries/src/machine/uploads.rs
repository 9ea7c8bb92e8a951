//! Whole applications, one after the other: a receiver takes one at a time.

use countersign_store::{Error, LinkRow, LinkStanding, SendRow, SendState};

use super::{Lane, Next};
use crate::plan::{Planner, UploadPayload, digest};
use crate::receiver::{Taken, Uploads, Verdict};

const SENDS: u32 = 10;

impl Lane<'_> {
    pub(super) async fn uploads(
        &mut self,
        uploads: &dyn Uploads,
        planner: &mut Planner<'_>,
    ) -> Result<(), Error> {
        loop {
            let due = self.store().due_sends(self.row.id, self.now_ms(), SENDS).await?;
            if due.is_empty() {
                break;
            }
            for send in due {
                if !self.machine.hold(&self.row, self.now_ms()).await? {
                    return Ok(());
                }
                if self.upload(uploads, planner, send).await? == Next::Stop {
                    return Ok(());
                }
            }
        }
        self.end().await
    }

    async fn upload(
        &mut self,
        uploads: &dyn Uploads,
        planner: &mut Planner<'_>,
        send: SendRow,
    ) -> Result<Next, Error> {
        let subject: UploadPayload = serde_json::from_str(&send.payload).map_err(Error::damaged)?;
        let started_ms = send.started_ms.unwrap_or_else(|| self.now_ms());
        let claim = (send.id, send.attempts, started_ms);
        if self.store().claim_sends(vec![claim]).await?.is_empty() {
            return Ok(Next::On);
        }
        // What is there now: it may be newer than what was planned.
        let content = planner.content(self.destination, uploads, &subject).await?;
        let (verdict, sent) = match content {
            Ok((application, content)) => {
                let now_ms = self.now_ms();
                let verdict = uploads.send(&application, &send.uid, &content, now_ms).await;
                (verdict, digest(&content))
            }
            Err(why) => (Verdict::Refused(why), String::new()),
        };
        let mut settlement = self.settlement(&send, &verdict);
        if let Verdict::Taken(Taken { reference, url, .. }) = &verdict {
            settlement.link = Some((
                LinkRow {
                    group: send.group.clone(),
                    subject: send.payload.clone(),
                    reference: reference.clone().unwrap_or_default(),
                    url: url.clone(),
                    digest: sent,
                    standing: LinkStanding::Open,
                    is_remarked: false,
                    created_ms: self.now_ms(),
                    changed_ms: self.now_ms(),
                },
                Vec::new(),
            ));
        }
        if repeats(&send, &settlement.reason) {
            settlement.state = SendState::Failed;
        }
        self.write(vec![settlement.clone()]).await?;
        self.look_again(&send.group).await?;
        self.after(send.action, &verdict, &settlement).await
    }
}

/// Whether the third try in a row ended with the same words: a receiver that answers what it
/// cannot read with a failure of its own would be asked for days.
fn repeats(send: &SendRow, reason: &Option<String>) -> bool {
    const EQUAL: u32 = 3;
    send.counted + 1 >= EQUAL
        && reason
            .as_ref()
            .is_some_and(|why| why.contains(" 500") && send.reason.as_ref() == Some(why))
}
