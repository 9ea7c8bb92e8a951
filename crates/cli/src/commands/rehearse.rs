//! `credentials rehearse`: rotations on a platform of our own, each by a process of
//! its own in which things go wrong, while a client hammers. After each of them a
//! rotation that is left alone sees to what is left, and then everything is counted:
//! does the pair that is published work, does the vault hold what is live, is every
//! pair that the service made accounted for.

mod hammer;
mod misfortune;
mod one;
mod tally;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use countersign_client::Method;
use countersign_connector::Subject;
use countersign_connector::integration::Place;
use countersign_connector::rotation::{Mode, Outcome};
use countersign_files as files;
use countersign_platform::{Config, Platform, SeedSpec, mint};
use countersign_store::Deed;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::process::Command;

use super::context::Context;
use super::control::Controls;
use super::platform::{failure, start};
use crate::args::{Rehearse, RotationMode};
use crate::failure::{Exit, Failure};
use crate::output::{grouped, print, print_json, shown};
use crate::system;
use hammer::Hammer;
use misfortune::{Draw, Kind, Misfortune};
use tally::Tally;

pub(crate) use one::one;

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];
/// What says of an id that it was found.
const IS_TOLD: &[Deed] = &[Deed::Lost, Deed::Sealed, Deed::SealedLate, Deed::Kept];
/// A rotation that is left alone must end within so many runs.
const MOST_RECOVERIES: u32 = 6;
/// Longer than a request may be on its way when it is carried out late.
const LATE: Duration = Duration::from_millis(900);
const MODES: [RotationMode; 3] =
    [RotationMode::Administrator, RotationMode::Twins, RotationMode::Itself];

pub(crate) async fn run(args: Rehearse) -> Result<(), Failure> {
    if args.list {
        return Kind::ALL
            .iter()
            .try_for_each(|(name, _, what)| print(&format!("{name:<16}{what}\n")));
    }
    let kinds = Kind::chosen(&args.faults)?;
    let folder = Folder::make()?;
    let bar = progress(u64::from(args.rotations) * if args.mode.is_some() { 1 } else { 3 });
    let mut tallies = Vec::new();
    for mode in MODES.into_iter().filter(|mode| args.mode.is_none_or(|only| only == *mode)) {
        let stage = Stage::set(&folder.0, mode).await?;
        let mut draw = Draw::new(args.seed, mode as u64);
        let tally = stage.play(args.rotations, &kinds, &mut draw, &bar).await;
        stage.platform.shutdown().await.map_err(failure)?;
        tallies.push((Mode::from(mode), tally?));
    }
    bar.finish_and_clear();
    tell(&tallies, args.json)?;
    let is_well = tallies.iter().all(|(_, tally)| tally.is_well());
    if is_well { Ok(()) } else { Err(Failure::silent(Exit::Unexpected)) }
}

/// Removed when the rehearsal ends.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self, Failure> {
        let mut bytes = [0; 8];
        (system::random())(&mut bytes);
        let name = format!("countersign-rehearsal-{:016x}", u64::from_le_bytes(bytes));
        let path = std::env::temp_dir().join(name);
        files::new_folder(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is of accounts that no platform knows any more.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// As many requests as it takes.
const LIMIT: &[u8] = b"[client]\nrequests_per_minute = 1000000\n";

/// A platform without an overlap, the hardest, and a home with three credentials.
struct Stage {
    platform: Platform,
    controls: Controls,
    context: Context,
    home: PathBuf,
    mode: RotationMode,
}

impl Stage {
    async fn set(folder: &Path, mode: RotationMode) -> Result<Self, Failure> {
        let name = Mode::from(mode).as_str();
        let platform_home = folder.join(format!("{name}-platform"));
        let mut config = Config::new(&platform_home, system::clock(), system::random());
        config.seed = SeedSpec::Empty;
        config.requests_per_minute = None;
        config.overlap_ms = 0;
        config.control = Some(([127, 0, 0, 1], 0).into());
        let platform = start(config).await?;
        let controls = Controls::of(&platform)?;
        let home = folder.join(name);
        let home = files::folder(&home)?;
        // In a file: the processes of a home count together, and have to agree on the limit.
        files::create(&home.join("config.toml"), LIMIT, &*system::random())?;
        let context = Context::open(Some(&home)).await?;
        let place = Place {
            url: platform.rest_url(),
            ca_pem: Some(platform.ca_pem().to_owned()),
            allow_http_loopback: false,
        };
        for (name, roles) in [("reader", READER), ("twin", READER), ("admin", &["adminapi"][..])] {
            let roles: Vec<_> = roles.iter().map(|role| (*role).to_owned()).collect();
            let random = system::random();
            let minted = mint(&platform_home, name, &roles, context.now(), &random);
            let secret = minted.map_err(failure)?.pair.into();
            let client = context.client(&place, &secret)?;
            let connector = &context.connector;
            if name == "reader" {
                connector.add_integration(name, place.clone(), secret, &client).await?;
            } else {
                connector.add_credential(name, place.clone(), secret, &client).await?;
            }
        }
        Ok(Self { platform, controls, context, home, mode })
    }

    async fn play(
        &self,
        rotations: u32,
        kinds: &[Kind],
        draw: &mut Draw,
        bar: &ProgressBar,
    ) -> Result<Tally, Failure> {
        let integration = self.context.store().integration("reader").await?;
        let client = self.context.client_of(&integration, "rehearsal")?;
        let hammer = Hammer::start(client);
        let mut tally = Tally::default();
        for _ in 0..rotations {
            let misfortunes = draw.misfortunes(kinds);
            bar.set_message(
                misfortunes.iter().map(|one| one.kind.name()).collect::<Vec<_>>().join(", "),
            );
            self.rotate(&misfortunes, draw, &mut tally).await?;
            self.recover(&misfortunes, &mut tally).await?;
            self.count(&mut tally).await?;
            bar.inc(1);
        }
        tally.hammered(hammer.stop().await);
        tally.retire(&self.audited().await?);
        self.account(&mut tally).await?;
        Ok(tally)
    }

    /// One rotation, or two at once, with what goes wrong in it.
    async fn rotate(
        &self,
        misfortunes: &[Misfortune],
        draw: &mut Draw,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let rules: Vec<Value> =
            misfortunes.iter().enumerate().filter_map(|(at, one)| one.rule(at)).collect();
        self.plan(json!({ "seed": draw.next(), "rules": rules })).await?;
        let mut children = vec![self.spawn(misfortunes, false)?];
        if misfortunes.iter().any(|one| one.kind == Kind::TwoRotators) {
            tokio::time::sleep(Duration::from_millis(draw.below(60))).await;
            children.push(self.spawn(&[], true)?);
        }
        if misfortunes.iter().any(|one| one.kind == Kind::KillAtRandom) {
            tokio::time::sleep(Duration::from_millis(draw.below(120))).await;
            // It may have ended already.
            let _ = children[0].start_kill();
        }
        for mut child in children {
            let status = child.wait().await?;
            tally.ended(status, misfortunes);
        }
        Ok(())
    }

    fn spawn(
        &self,
        misfortunes: &[Misfortune],
        elsewhere: bool,
    ) -> Result<tokio::process::Child, Failure> {
        let mut arguments = self.arguments("reader", self.mode);
        arguments.extend(misfortunes.iter().flat_map(Misfortune::arguments));
        arguments.extend(elsewhere.then(|| "--elsewhere".to_owned()));
        let program = std::env::current_exe()?;
        let full = misfortunes.iter().find(|one| one.kind == Kind::DiskFull);
        let mut command = match full {
            // The operating system refuses writes past a size; the signal that says so
            // is ignored, as where a disk is full.
            Some(full) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", r#"trap "" XFSZ; ulimit -f "$1"; shift; exec "$@""#, "sh"]);
                shell.arg(self.blocks_until_full(full.number).to_string()).arg(program);
                shell
            }
            None => Command::new(program),
        };
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.kill_on_drop(true).spawn()?)
    }

    /// So that it is full somewhere in the middle: the longest file is the store's log.
    fn blocks_until_full(&self, number: u64) -> u64 {
        let log = std::fs::metadata(self.home.join("store.sqlite-wal"));
        log.map_or(0, |log| log.len() / 512) + number % 250
    }

    fn arguments(&self, name: &str, mode: RotationMode) -> Vec<String> {
        let home = self.home.display().to_string();
        let mode = Mode::from(mode).as_str();
        let all = ["--home", &home, "--log", "off", "credentials", "rehearse-one", name];
        let more = ["--mode", mode, "--by", "admin", "--twin", "twin"];
        all.into_iter().chain(more).map(String::from).collect()
    }

    /// What the next run of the schedule does.
    async fn recover(&self, misfortunes: &[Misfortune], tally: &mut Tally) -> Result<(), Failure> {
        self.plan(json!({ "rules": [] })).await?;
        if misfortunes.iter().any(|one| one.kind == Kind::CarriedOutLate) {
            tokio::time::sleep(LATE).await;
        }
        // Both twins are looked after, each for itself.
        let (names, mode) = match self.mode {
            RotationMode::Twins => (&["reader", "twin"][..], RotationMode::Administrator),
            mode => (&["reader"][..], mode),
        };
        for name in names {
            self.look_after(name, mode, tally).await?;
        }
        Ok(())
    }

    async fn look_after(
        &self,
        name: &str,
        mode: RotationMode,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        for _ in 0..MOST_RECOVERIES {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(self.arguments(name, mode)).arg("--check").stdin(Stdio::null());
            let output = command.stderr(Stdio::null()).output().await?;
            let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let outcome = report["outcome"].as_str();
            match outcome.and_then(Outcome::parse) {
                Some(Outcome::Nothing) => return Ok(()),
                Some(Outcome::Done) => tally.recovered += 1,
                _ => tally.last_outcome = outcome.map(String::from),
            }
        }
        Ok(())
    }

    async fn plan(&self, plan: Value) -> Result<(), Failure> {
        self.controls.call(Method::PUT, "/faults", Some(plan)).await.map(drop)
    }

    /// Whether everything works now.
    async fn count(&self, tally: &mut Tally) -> Result<(), Failure> {
        tally.rotations += 1;
        let integration = self.context.store().integration("reader").await?;
        let subject = Subject::Integration(integration.id);
        let published = self.context.connector.published(subject).await?;
        let works = match self.context.connector.secret(&published).await {
            Ok(secret) => {
                let client = self.context.client(&Place::of(&published), &secret)?;
                client.self_user().await.is_ok()
            }
            Err(_) => false,
        };
        tally.lock_outs += u64::from(!works);
        // Of both twins, the live pair must be in the vault.
        let entries = self.context.connector.vault.entries()?;
        for name in ["reader", "twin"] {
            let live = self.pairs(name).await?.into_iter().next();
            let is_held = live.is_none_or(|id| {
                entries.iter().any(|entry| entry.api_id == id && !entry.is_tombstone)
            });
            tally.lost_secrets += u64::from(!is_held);
        }
        Ok(())
    }

    /// API IDs of everything that the service ever made for an account, the newest first.
    async fn pairs(&self, name: &str) -> Result<Vec<String>, Failure> {
        let path = format!("/credentials?user={name}");
        let answer = self.controls.call(Method::GET, &path, None).await?;
        let pairs = answer["credentials"].as_array().cloned().unwrap_or_default();
        Ok(pairs.iter().filter_map(|pair| pair["api_id"].as_str()).map(String::from).collect())
    }

    async fn audited(&self) -> Result<Vec<countersign_store::AuditEntry>, Failure> {
        Ok(self.context.store().audit_entries(None, u64::MAX).await?)
    }

    /// Every pair that was made must be in the log by its API ID, or be one that was
    /// asked for in the log and that another took the place of before anybody looked.
    async fn account(&self, tally: &mut Tally) -> Result<(), Failure> {
        let entries = self.context.connector.vault.entries()?;
        let audited = self.audited().await?;
        for name in ["reader", "twin"] {
            let known = |id: &String| {
                entries.iter().any(|entry| entry.api_id == *id)
                    || audited
                        .iter()
                        .any(|entry| IS_TOLD.contains(&entry.act) && entry.detail.contains(id))
            };
            let pairs = self.pairs(name).await?;
            let asked =
                audited.iter().filter(|e| e.credential == name && e.act == Deed::Asked).count();
            let (by_name, unseen): (Vec<_>, Vec<_>) = pairs.iter().partition(|id| known(id));
            // The first was made with the account.
            let spare = (asked + 1).saturating_sub(by_name.len());
            tally.superseded_unseen += unseen.len().min(spare) as u64;
            tally.unaccounted_mints += unseen.len().saturating_sub(spare) as u64;
        }
        tally.is_log_whole = matches!(
            self.context.store().verify_audit().await?,
            countersign_store::Verdict::Whole { .. }
        );
        Ok(())
    }
}

fn progress(length: u64) -> ProgressBar {
    let bar = shown(ProgressBar::new(length));
    if let Ok(style) =
        ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} rotations  {msg}")
    {
        bar.set_style(style);
    }
    bar
}

fn tell(tallies: &[(Mode, Tally)], json: bool) -> Result<(), Failure> {
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(|(_, tally)| of(tally)).sum::<u64>();
    if json {
        let modes: serde_json::Map<String, Value> = tallies
            .iter()
            .map(|(mode, tally)| (mode.as_str().to_owned(), tally.as_json()))
            .collect();
        return print_json(&json!({
            "rotations": sum(|tally| tally.rotations),
            "lock_outs": sum(|tally| tally.lock_outs),
            "lost_secrets": sum(|tally| tally.lost_secrets),
            "unaccounted_mints": sum(|tally| tally.unaccounted_mints),
            "crashes": sum(|tally| tally.crashes),
            "modes": modes,
        }));
    }
    for (mode, tally) in tallies {
        print(&format!(
            "{:<14} {} rotations, {} crashes, {} credentials lost and issued again\n\
             {:14} lock-outs {}, lost secrets {}, unaccounted credentials {}\n\
             {:14} a client called {} times meanwhile: {} failed, the longest took {} ms\n",
            mode.as_str(),
            tally.rotations,
            tally.crashes,
            tally.lost_answers,
            "",
            tally.lock_outs,
            tally.lost_secrets,
            tally.unaccounted_mints,
            "",
            grouped(tally.calls),
            tally.failed_calls,
            tally.longest_call_ms,
        ))?;
    }
    Ok(())
}
