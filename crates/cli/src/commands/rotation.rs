//! `credentials add|remove|rotate|revoke|log`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_client::{Client, Urgency};
use countersign_connector::integration::Place;
use countersign_connector::rotation::schedule::{Due, Schedule};
use countersign_connector::rotation::{Arrangement, Connect, Mode, Options, Outcome, Report};
use countersign_files::{self as files, Created, Secrecy};
use countersign_store::{Act, Credential, CredentialKind, Deed, Verdict};
use data_encoding::HEXLOWER;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};

use super::context::Context;
use super::integration::{name_of, place_and_secret};
use crate::advice::CommandLine;
use crate::args::{
    AddIntegration, AuditLog, RemoveCredential, ReplaceCredential, Revoke, Rotate, RotationMode,
};
use crate::asking::confirm;
use crate::config::RotationConfig;
use crate::consumers::consumers;
use crate::failure::{Exit, Failure};
use crate::lists::print_list;
use crate::output::{Cell, Fit, Shown, distance, note, print, print_json, printable, show, when};

const HOUR_MS: i64 = 3_600_000;
const MAX_NAME_BYTES: u64 = 1024;
const DAY_MS: i64 = 24 * HOUR_MS;

impl From<RotationMode> for Mode {
    fn from(mode: RotationMode) -> Self {
        match mode {
            RotationMode::Itself => Self::SelfRenewal,
            RotationMode::Administrator => Self::Administrator,
            RotationMode::Twins => Self::Twins,
        }
    }
}

pub(crate) async fn add(context: &Context, args: AddIntegration) -> Result<(), Failure> {
    let name = name_of(&args)?;
    let (place, secret) = place_and_secret(&args)?;
    let client = context.client(&place, &secret)?;
    let credential = context.connector.add_credential(&name, place, secret, &client).await?;
    show(&Kept { credential, now_ms: context.now() }, args.json)
}

pub(crate) async fn replace(context: &Context, args: ReplaceCredential) -> Result<(), Failure> {
    let held = named(context, &args.name).await?;
    let place = Place::of(&held);
    let given = AddIntegration {
        name: Some(args.name),
        client_id: args.client_id,
        client_secret_stdin: args.client_secret_stdin,
        import: args.import,
        from: args.from,
        url: Some(place.url.clone()),
        ca_file: None,
        allow_http_loopback: place.allow_http_loopback,
        oauth: held.kind == CredentialKind::OAuth,
        imported: false,
        json: args.json,
    };
    let (_, secret) = place_and_secret(&given)?;
    let client = context.client(&place, &secret)?;
    let replacing =
        context.connector.replace_credential(&held, secret, &client, args.other_account);
    show(&Kept { credential: replacing.await?, now_ms: context.now() }, args.json)
}

struct Kept {
    credential: Credential,
    now_ms: i64,
}

impl Shown for Kept {
    fn text(&self) -> String {
        let held = &self.credential;
        let account = printable(held.account.as_deref().unwrap_or("unknown"));
        let expires = match held.expires_ms {
            Some(ms) => format!("{} ({})", when(ms), distance(ms, self.now_ms)),
            None => "unknown".into(),
        };
        let roles = printable(&held.roles.join(", "));
        format!(
            "credential   {}\naccount      {account}\nroles        {roles}\nexpires      {expires}\n",
            held.name
        )
    }

    fn json(&self) -> impl Serialize {
        let held = &self.credential;
        json!({
            "name": held.name,
            "kind": held.kind,
            "client_id": held.api_id,
            "account": held.account,
            "roles": held.roles,
            "expires_at": held.expires_ms.map(countersign_findings::rfc3339),
        })
    }
}

pub(crate) async fn remove(context: &Context, args: RemoveCredential) -> Result<(), Failure> {
    let credential = named(context, &args.name).await?;
    let again = CommandLine::of(&["credentials", "remove", &args.name, "--yes"]);
    confirm(&args.name, "remove it with its secret", args.yes, &again)?;
    context.connector.remove_credential(&credential).await?;
    note(&format!("removed `{}`; the service still accepts it", args.name));
    Ok(())
}

pub(crate) async fn rotate(context: &Context, args: Rotate) -> Result<(), Failure> {
    let wanted: Vec<(Arrangement, bool, bool)> = match &args.name {
        Some(name) => {
            let config = context.config.rotation.get(name);
            let arrangement = arrangement(name, config, &args);
            let revoke = args.revoke_old || config.is_some_and(|config| config.revoke_old);
            vec![(arrangement, !args.check, revoke)]
        }
        None => due(context, &args, !args.json).await?,
    };
    if wanted.is_empty() {
        return Err(Failure::usage(
            "config.toml configures no rotation\nhint: `countersign credentials list` shows the credentials: name one, or give it a table `[rotation.…]` in config.toml",
        ));
    }
    rotate_all(context, wanted, args.name.is_some(), args.json).await
}

/// What the watch does with everything that is arranged: rotate it when it is due, and
/// otherwise look after it.
pub(crate) async fn look_after(context: &Context) -> Result<(), Failure> {
    let args = Rotate::default();
    let wanted = due(context, &args, false).await?;
    rotate_all(context, wanted, false, false).await
}

async fn rotate_all(
    context: &Context,
    wanted: Vec<(Arrangement, bool, bool)>,
    is_named: bool,
    json: bool,
) -> Result<(), Failure> {
    let mut worst = None;
    for (arrangement, is_wanted, revoke) in wanted {
        match rotate_one(context, &arrangement, is_wanted, revoke).await {
            Ok(report) => {
                if is_named || json || report.outcome != Outcome::Nothing {
                    show(&report, json)?;
                }
                worst = worst.or(report.fault().map(Exit::from));
            }
            Err(failure) if !is_named => {
                note(&format!("`{}`: {failure}", arrangement.name));
                worst = worst.or(Some(failure.exit()));
            }
            Err(failure) => return Err(failure),
        }
    }
    worst.map_or(Ok(()), |exit| Err(Failure::silent(exit)))
}

/// Everything that is arranged, and whether it is due. What is not is looked after.
async fn due(
    context: &Context,
    args: &Rotate,
    is_told: bool,
) -> Result<Vec<(Arrangement, bool, bool)>, Failure> {
    let mut all = Vec::new();
    for (name, config) in &context.config.rotation {
        let arrangement = arrangement(name, Some(config), args);
        let mut names = vec![name.clone()];
        names.extend(arrangement.twin.clone().filter(|_| arrangement.mode == Mode::Twins));
        let mut is_due = false;
        for name in &names {
            let credential = named(context, name).await?;
            let due = config.schedule().due(name, credential.expires_ms, context.now());
            is_due |= due == Due::Now;
            if let Due::At(ms) = due
                && is_told
            {
                note(&format!("`{name}` is due {}", distance(ms, context.now())));
            }
        }
        let (is_due, revoke) = (is_due && !args.check, args.revoke_old || config.revoke_old);
        // A turn is of the twin that is not in use; both are looked after.
        if arrangement.mode == Mode::Twins {
            let each = names.into_iter().map(|name| Arrangement {
                name,
                mode: Mode::Administrator,
                twin: None,
                ..arrangement.clone()
            });
            all.extend(each.map(|one| (one, false, revoke)));
            if !is_due {
                continue;
            }
        }
        all.push((arrangement, is_due, revoke));
    }
    Ok(all)
}

fn arrangement(name: &str, config: Option<&RotationConfig>, args: &Rotate) -> Arrangement {
    let mode = args.mode.map(Mode::from).or(config.map(RotationConfig::mode));
    let hours = args.overlap_hours.or(config.and_then(|config| config.overlap_hours));
    Arrangement {
        name: name.to_owned(),
        mode: mode.unwrap_or(Mode::Administrator),
        by: args.by.clone().or(config.and_then(|config| config.by.clone())),
        twin: args.twin.clone().or(config.and_then(|config| config.twin.clone())),
        overlap: hours.map(|hours| Duration::from_secs(u64::from(hours) * 3600)),
    }
}

pub(crate) async fn rotate_one(
    context: &Context,
    arrangement: &Arrangement,
    is_wanted: bool,
    revoke_old: bool,
) -> Result<Report, Failure> {
    let options = options(context, is_wanted, revoke_old)?;
    let bar = spinner(&arrangement.name);
    let shown = bar.clone();
    let watch: countersign_connector::rotation::Watch =
        Arc::new(move |step| shown.set_message(step));
    let connect = connect(context, Duration::from_secs(20));
    let consumers = consumers(&context.config)?;
    let report =
        context.connector.rotate(arrangement, &options, &connect, &consumers, &watch).await;
    bar.finish_and_clear();
    Ok(report?)
}

/// Rotations give up sooner than others: calls are waiting.
pub(crate) fn connect(context: &Context, timeout: Duration) -> Connect {
    let (settings, budget) = (context.config.clone(), context.budget.clone());
    let (clock, random) = (context.connector.clock.clone(), context.connector.random.clone());
    Arc::new(move |place, source| {
        let mut config = super::context::client_config(&settings, place, &budget)
            .map_err(|failure| countersign_client::Error::config(failure.to_string()))?;
        config.connect_timeout = config.connect_timeout.min(Duration::from_secs(10));
        config.request_timeout = config.request_timeout.min(timeout);
        config.retry_budget = config.retry_budget.min(Duration::from_secs(30));
        config.max_attempts = 3;
        // Calls wait until it has ended.
        config.share = "(rotation)".to_owned();
        config.urgency = Urgency::Interactive;
        Client::with_source(config, source, clock.clone(), random.clone())
    })
}

pub(crate) fn options(
    context: &Context,
    is_wanted: bool,
    revoke_old: bool,
) -> Result<Options, Failure> {
    let machine = machine(context.home.path(), &context.connector.random)?;
    let mut nonce = [0; 8];
    (context.connector.random)(&mut nonce);
    Ok(Options {
        is_wanted,
        most_mints: 5,
        drain: Duration::from_secs(10),
        late: Duration::from_secs(120),
        pause: Duration::from_millis(500),
        lease: Duration::from_secs(300),
        revoke_old,
        holder: format!("{machine}/{}/{}", std::process::id(), HEXLOWER.encode(&nonce)),
        machine: format!("{machine}/"),
    })
}

/// A name of this machine that no other has: made once, kept beside the fences.
pub(crate) fn machine(
    home: &Path,
    random: &countersign_connector::Random,
) -> Result<String, Failure> {
    let path = home.join("machine");
    let held = || files::read_text(&path, Secrecy::Open, MAX_NAME_BYTES);
    match held() {
        Ok(name) => return Ok(name.trim().to_owned()),
        Err(error) if !error.is_missing() => return Err(error.into()),
        Err(_) => {}
    }
    let mut bytes = [0; 16];
    random(&mut bytes);
    let name = HEXLOWER.encode(&bytes);
    match files::create(&path, name.as_bytes(), &**random)? {
        Created::New => Ok(name),
        // Whoever was first keeps it.
        Created::Existed => Ok(held()?.trim().to_owned()),
    }
}

fn spinner(name: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

impl Shown for Report {
    fn text(&self) -> String {
        let report = self;
        let mut text = format!("credential   {}\n", report.credential);
        let outcome = match report.outcome {
            Outcome::Done => "rotated",
            Outcome::Nothing => {
                "well: the credentials that are active at the service are the ones in use"
            }
            Outcome::Abandoned => "not rotated; nothing was changed",
            Outcome::TooManyLost => "not rotated: too many answers were lost; the next run resumes",
            Outcome::LockedOut => "LOCKED OUT: ask an administrator for new API credentials",
            Outcome::Refused => {
                "not rotated: the service does not accept the credentials of the account that issues new ones"
            }
            Outcome::Forbidden => "not rotated: who asks needs the Admin API role",
            Outcome::Superseded => "another process has taken over",
            Outcome::Paused => "interrupted; the next run resumes where it stopped",
        };
        text.push_str(&format!("outcome      {outcome}\n"));
        if let Some(id) = &report.new_api_id {
            text.push_str(&format!("api id       {id}\n"));
        }
        if let Some(ms) = report.expires_ms.filter(|_| report.outcome == Outcome::Done) {
            text.push_str(&format!("expires      {}\n", when(ms)));
        }
        if let Some(ms) = report.old_until_ms {
            text.push_str(&format!("old one ends {}\n", when(ms)));
        }
        if report.lost > 0 {
            text.push_str(&format!("lost         {} answers, asked for again\n", report.lost));
        }
        if report.held_off_ms > 0 {
            text.push_str(&format!("calls waited {} ms at most\n", report.held_off_ms));
        }
        for laggard in &report.laggards {
            text.push_str(&format!("not yet      {}\n", printable(laggard)));
        }
        if let Some(id) = &report.to_revoke {
            text.push_str(&format!("to revoke    {id}, by credential monitoring, once every consumer runs the new ones\n"));
        }
        if let Some(problem) = &report.problem {
            text.push_str(&format!("problem      {}\n", problem.replace('\n', "\n             ")));
        }
        text
    }

    fn json(&self) -> impl Serialize {
        self
    }
}

pub(crate) async fn revoke(context: &Context, args: Revoke) -> Result<(), Failure> {
    let credential = named(context, &args.name).await?;
    let by = match &args.by {
        Some(by) => named(context, by).await?,
        None => credential.clone(),
    };
    let api_id = args.api_id.clone().unwrap_or_else(|| credential.api_id.clone());
    let what = format!("end `{api_id}` at once; whoever uses it is locked out");
    let mut again = CommandLine::of(&["credentials", "revoke", &args.name, "--yes"]);
    for (option, value) in [("--by", &args.by), ("--api-id", &args.api_id)] {
        if let Some(value) = value {
            again = again.then(&[option, value]);
        }
    }
    confirm(&args.name, &what, args.yes, &again)?;
    let client = context.client_for(&by, "revoke")?;
    // Written down first: what cannot be is not done.
    let now_ms = context.now();
    let act = |deed| Act::new(&args.name, deed).with("api_id", api_id.as_str());
    let asked = act(Deed::RevocationAsked).with("by", by.name.as_str());
    context.store().audit(asked, now_ms).await?;
    if credential.kind == CredentialKind::OAuth {
        client.revoke_oauth_client(&api_id).await?;
    } else {
        client.revoke(&api_id).await?;
    }
    context.store().audit(act(Deed::Revoked), context.now()).await?;
    if args.json {
        return print_json(&json!({ "credential": args.name, "revoked": api_id }));
    }
    note(&format!("revoked {api_id}"));
    Ok(())
}

pub(crate) async fn log(context: &Context, args: AuditLog) -> Result<(), Failure> {
    if args.verify {
        return match context.store().verify_audit().await? {
            Verdict::Whole { entries, digest } if args.json => {
                print_json(&json!({ "whole": true, "entries": entries, "digest": digest }))
            }
            Verdict::Whole { entries, digest } => {
                print(&format!("whole: {entries} entries, the last one is {digest}\n"))
            }
            Verdict::Broken { id } => Err(Failure::storage(format!(
                "the audit log is broken at entry {id}\nhint: the store was changed by something else; compare it with a backup"
            ))),
        };
    }
    let limit = match args.limit {
        Some(0) => u64::MAX,
        limit => limit.unwrap_or(50),
    };
    let mut entries = context.store().audit_entries(args.name.as_deref(), limit).await?;
    entries.reverse();
    if args.json {
        for entry in &entries {
            let detail: Value = serde_json::from_str(&entry.detail).unwrap_or_default();
            print_json(&json!({
                "id": entry.id,
                "at": countersign_findings::rfc3339(entry.at_ms),
                "credential": entry.credential,
                "act": entry.act.as_str(),
                "detail": detail,
            }))?;
        }
        return Ok(());
    }
    let columns =
        [("at", Fit::Whole), ("credential", Fit::End), ("act", Fit::Whole), ("detail", Fit::End)];
    let rows = entries.into_iter().map(|entry| {
        [
            Cell::moment(Some(entry.at_ms)),
            Cell::text(&entry.credential),
            Cell::text(entry.act.as_str()),
            Cell::text(&plain(&entry.detail)),
        ]
    });
    print_list(columns, rows)
}

/// `{"a":"b","c":1}` as `a b, c 1`.
fn plain(detail: &str) -> String {
    let object: serde_json::Map<String, Value> = serde_json::from_str(detail).unwrap_or_default();
    let members = object.into_iter().filter(|(_, value)| !value.is_null());
    let texts = members.map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        value => format!("{name} {value}"),
    });
    texts.collect::<Vec<_>>().join(", ")
}

async fn named(context: &Context, name: &str) -> Result<Credential, Failure> {
    context.store().credential(name).await.map_err(|error| {
        if error.is_not_found() {
            Failure::usage(format!("{error}\nhint: `countersign credentials list` shows them"))
        } else {
            error.into()
        }
    })
}

impl RotationConfig {
    pub(crate) fn mode(&self) -> Mode {
        self.mode.map_or(Mode::Administrator, |mode| mode.0)
    }

    pub(crate) fn schedule(&self) -> Schedule {
        Schedule {
            before_ms: i64::from(self.days_before) * DAY_MS,
            jitter_ms: i64::from(self.jitter_hours) * HOUR_MS,
            window: self.window.and_then(|window| window.0),
        }
    }
}
