//! One rotation of a rehearsal: the same code as `credentials rotate`, around which
//! the clock, the vault and the life of the process are not to be relied on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use countersign_connector::Fences;
use countersign_connector::consumers::Consumers;
use countersign_connector::rotation::{Arrangement, Watch};
use countersign_vault::{Entry, Error, Secret, Vault};

use super::super::context::Context;
use super::super::rotation::{connect, options};
use crate::args::RehearseOne;
use crate::failure::{Exit, Failure};
use crate::output::print_json;

/// Requests are given up soon, so that a rehearsal is not spent waiting.
const TIMEOUT: Duration = Duration::from_millis(300);

pub(crate) async fn one(context: &Context, args: RehearseOne) -> Result<(), Failure> {
    only_on_this_machine(context, &args.name).await?;
    let mut options = options(context, !args.check, false)?;
    options.late = Duration::from_millis(800);
    options.pause = Duration::from_millis(10);
    let mut connector = context.connector.clone();
    if args.elsewhere {
        connector.fences = Fences::at(&context.home.path().join("elsewhere"));
        options.machine = "elsewhere/".into();
        options.holder = format!("elsewhere/{}", std::process::id());
        options.lease = Duration::ZERO;
    }
    if args.vault_fails > 0 {
        let left = AtomicU32::new(args.vault_fails);
        // The proof before it must pass.
        connector.vault = Arc::new(Failing { vault: connector.vault, left });
    }
    if let Some(jump_ms) = args.clock_jump_ms {
        let (real, reads) = (connector.clock.clone(), AtomicI64::new(0));
        connector.clock = Arc::new(move || {
            let is_later = reads.fetch_add(1, Ordering::Relaxed) > 10;
            real() + if is_later { jump_ms } else { 0 }
        });
    }
    let told = AtomicU32::new(0);
    let watch: Watch = Arc::new(move |_| {
        if Some(told.fetch_add(1, Ordering::Relaxed) + 1) == args.die_at {
            die();
        }
    });
    let arrangement = Arrangement {
        name: args.name,
        mode: args.mode.into(),
        by: Some(args.by),
        twin: args.twin,
        overlap: None,
    };
    let mut own = context.clone();
    own.connector = connector.clone();
    let connect = connect(&own, TIMEOUT);
    let report =
        connector.rotate(&arrangement, &options, &connect, &Consumers::default(), &watch).await?;
    print_json(&report)?;
    match report.fault() {
        None => Ok(()),
        Some(fault) => Err(Failure::silent(Exit::from(fault))),
    }
}

/// Nobody's real pair is rehearsed with.
async fn only_on_this_machine(context: &Context, name: &str) -> Result<(), Failure> {
    let url = context.store().credential(name).await?.url;
    let host = super::super::context::parse_url(&url)?.host_str().map(String::from);
    match host.as_deref() {
        Some("127.0.0.1") => Ok(()),
        _ => Err(Failure::usage("a rehearsal is for a platform on this machine")),
    }
}

/// As by kill -9: nothing is flushed, closed or told.
fn die() {
    #[cfg(unix)]
    {
        use rustix::process::{Signal, getpid, kill_process};
        // There is nobody to tell if this fails; the process then goes on.
        let _ = kill_process(getpid(), Signal::KILL);
    }
    #[cfg(not(unix))]
    std::process::abort();
}

struct Failing {
    vault: Arc<dyn Vault>,
    left: AtomicU32,
}

impl Vault for Failing {
    fn place(&self) -> String {
        self.vault.place()
    }

    fn versions(&self, name: &str) -> Result<Vec<Entry>, Error> {
        self.vault.versions(name)
    }

    fn erase(&self, name: &str, version: u32) -> Result<(), Error> {
        self.vault.erase(name, version)
    }

    fn reopen(&self) -> Result<Arc<dyn Vault>, Error> {
        self.vault.reopen()
    }

    fn put(&self, name: &str, credential: &Secret, now_ms: i64) -> Result<u32, Error> {
        let is_real = name.contains('/');
        let fails = |left: u32| left.checked_sub(1);
        if is_real && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fails).is_ok() {
            return Err(Error::refused("the vault refuses writes in this rehearsal"));
        }
        self.vault.put(name, credential, now_ms)
    }

    fn get(&self, name: &str) -> Result<(u32, Secret), Error> {
        self.vault.get(name)
    }

    fn get_version(&self, name: &str, version: u32) -> Result<Secret, Error> {
        self.vault.get_version(name, version)
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        self.vault.entries()
    }

    fn destroy(&self, name: &str, version: u32) -> Result<(), Error> {
        self.vault.destroy(name, version)
    }
}
