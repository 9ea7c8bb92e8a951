//! `worker`: reads applications of syncs that others conduct, and goes on with those whose
//! conductor is gone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use countersign_connector::sync::{Finished, Watch};
use countersign_connector::{Error, Fault, Subject};
use countersign_store::{Integration, IntegrationId, OpenRun, RunStage};
use tokio::sync::watch::{Receiver, Sender};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::context::Context;
use super::platform::Stop;
use super::report::{counted, sync_text};
use super::sync::{How, options, tell_problems};
use crate::args::Worker;
use crate::failure::{Exit, Failure};
use crate::output::{note, printable};

/// Between two looks for something to do.
const LOOK: Duration = Duration::from_secs(1);
/// How long an integration that could not be read is left alone, and how long if that is because
/// of the store, which others may have made available by then.
const REST: Duration = Duration::from_secs(60);
const SHORT_REST: Duration = Duration::from_secs(2);

pub(crate) async fn run(context: &Context, args: Worker) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    if !context.store().is_shared() {
        return Err(Failure::usage(
            "this store is a file, which no other machine can share\nhint: `countersign config check` after `store.url` in config.toml names a PostgreSQL database",
        ));
    }
    let stopping = Sender::new(false);
    let mut hands = Hands::new(context.clone(), stopping.subscribe());
    note("waiting for syncs; Ctrl-C stops it");
    loop {
        let looked = hands.look().await;
        if args.once && (looked.is_err() || hands.tasks.is_empty()) {
            looked?;
            return hands.worst.map_or(Ok(()), |exit| Err(Failure::silent(exit)));
        }
        hands.tell_blindness(looked.err());
        tokio::select! {
            asked = stop.asked() => {
                asked?;
                break;
            }
            Some(ended) = hands.tasks.join_next(), if !hands.tasks.is_empty() => hands.note(ended),
            () = sleep(LOOK) => {}
        }
    }
    note("stopping: applications under way are written or given back");
    stopping.send_replace(true);
    while let Some(ended) = hands.tasks.join_next().await {
        hands.note(ended);
    }
    Ok(())
}

/// What was done for one run.
enum Done {
    /// Applications were read.
    Read(u64),
    /// The run was conducted; none where somebody else did by then.
    Conducted(Option<Box<Finished>>),
}

struct Ended {
    integration: Integration,
    done: Result<Done, Error>,
}

/// What this process does, for each integration one thing at a time.
struct Hands {
    context: Context,
    stopped: Receiver<bool>,
    tasks: JoinSet<Ended>,
    busy: HashSet<IntegrationId>,
    /// Until when integrations are left alone.
    resting: HashMap<IntegrationId, Instant>,
    /// Those of which it was said that they cannot be read from here.
    foreign: HashSet<IntegrationId>,
    is_blind: bool,
    /// The worst that happened.
    worst: Option<Exit>,
}

impl Hands {
    fn new(context: Context, stopped: Receiver<bool>) -> Self {
        Self {
            context,
            stopped,
            tasks: JoinSet::new(),
            busy: HashSet::new(),
            resting: HashMap::new(),
            foreign: HashSet::new(),
            is_blind: false,
            worst: None,
        }
    }

    /// Begins what there is to do.
    async fn look(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        for open in self.context.store().open_runs().await? {
            let id = open.integration;
            let has_work = open.stage == RunStage::Reading && open.has_work;
            if self.busy.contains(&id)
                || self.resting.contains_key(&id)
                || !(open.is_left || has_work)
            {
                continue;
            }
            if let Some(integration) = self.own(&open).await? {
                self.begin(open, integration)?;
            }
        }
        Ok(())
    }

    /// The integration of a run, if its credentials are here.
    async fn own(&mut self, open: &OpenRun) -> Result<Option<Integration>, Failure> {
        let connector = &self.context.connector;
        let secret = async {
            let subject = Subject::Integration(open.integration);
            connector.secret(&connector.published(subject).await?).await
        };
        match secret.await {
            Ok(_) => {
                self.foreign.remove(&open.integration);
                Ok(Some(self.context.integration(Some(&open.name)).await?))
            }
            Err(error) => {
                if self.foreign.insert(open.integration) {
                    let name = printable(&open.name);
                    note(&format!("`{name}` is left to others: {error}"));
                }
                Ok(None)
            }
        }
    }

    fn begin(&mut self, open: OpenRun, integration: Integration) -> Result<(), Failure> {
        let context = self.context.clone();
        let client = context.client_of(&integration, "sync")?;
        let mut stopped = self.stopped.clone();
        self.busy.insert(open.integration);
        self.tasks.spawn(async move {
            let options = options(&context, How::default());
            let watch: Watch = Arc::new(|_| {});
            // Who would tell is gone only with this process.
            let stop = async move { drop(stopped.wait_for(|is_stopped| *is_stopped).await) };
            let connector = &context.connector;
            let done = if open.is_left {
                let taken = connector.take_over(open.run, client, options, watch, stop);
                taken.await.map(|finished| Done::Conducted(finished.map(Box::new)))
            } else {
                connector.help(&open, client, options, watch, stop).await.map(Done::Read)
            };
            Ended { integration, done }
        });
        Ok(())
    }

    fn note(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                note(&format!("a sync broke down: {error}"));
                self.worst = self.worst.or(Some(Exit::Unexpected));
                self.busy.clear();
                return;
            }
        };
        let (id, name) = (ended.integration.id, printable(&ended.integration.name));
        self.busy.remove(&id);
        match ended.done {
            Ok(Done::Read(0) | Done::Conducted(None)) => {}
            Ok(Done::Read(count)) => {
                note(&format!("{name}: read {}", counted(count, "application")));
            }
            Ok(Done::Conducted(Some(finished))) => self.note_finished(&name, &finished),
            // It is in good hands.
            Err(error) if error.is_superseded() => note(&format!("{name}: {error}")),
            Err(error) => {
                note(&format!("{name}: {error}"));
                self.worst = self.worst.or(Some(error.fault().into()));
                let rest = if error.fault() == Fault::Storage { SHORT_REST } else { REST };
                self.resting.insert(id, Instant::now() + rest);
            }
        }
    }

    fn note_finished(&mut self, name: &str, finished: &Finished) {
        if finished.is_stopped {
            note(&format!("{name}: the sync is left to others"));
            return;
        }
        note(&format!("{name}: the sync was continued, because nobody conducted it any more"));
        note(sync_text(name, &finished.report).trim_end());
        tell_problems(finished);
        self.worst = self.worst.or(finished.fault().map(Exit::from));
    }

    /// Not each second anew.
    fn tell_blindness(&mut self, failure: Option<Failure>) {
        let is_blind = failure.is_some();
        match failure {
            Some(why) if !self.is_blind => note(&format!("the store cannot be read: {why}")),
            None if self.is_blind => note("the store can be read again"),
            _ => {}
        }
        self.is_blind = is_blind;
    }
}
