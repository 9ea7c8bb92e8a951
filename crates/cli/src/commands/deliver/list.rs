//! What is only shown.

use countersign_deliveries::acts::{self, Preview, preview};
use countersign_deliveries::receiver::Receiver;
use countersign_findings::rfc3339;
use countersign_store::{LinkRow, SendFilter, SendRow, SendState};
use serde_json::{Value, json};

use super::super::context::Context;
use super::{Machine, configured, end, made, mark, refused, standing_json, stood, working};
use crate::advice::CommandLine;
use crate::args::{ListDeliveries, OneDestination, ShowSend, Simulate};
use crate::config::destinations::DestinationConfig;
use crate::failure::Failure;
use crate::lists::print_list;
use crate::output::{Cell, Fit, Tone, note, print, print_json, printable, prose, when};

/// Sends that are listed unless more are asked for.
const SENDS: u32 = 50;
const PREVIEWS: u32 = 10;
/// Links that are read at once.
const LINKS: u32 = 500;

pub(super) async fn list(context: &Context, args: ListDeliveries) -> Result<(), Failure> {
    if let Some(name) = &args.name {
        return sends(context, name, &args).await;
    }
    let all = stood(context).await?;
    if args.json {
        let rows: Vec<_> =
            all.iter().map(|(config, one)| standing_json(config, one.as_ref())).collect();
        print_json(&rows)?;
        return end(context).await;
    }
    tell_strangers(context).await?;
    if all.is_empty() {
        note("there is no destination yet: `[[destinations]]` in config.toml adds one");
        return Ok(());
    }
    let row = |(config, standing): &(&DestinationConfig, Option<acts::Standing>)| {
        let standing = standing.as_ref();
        let count = |state| Cell::count(standing.map_or(0, |one| one.count(state)));
        let word = mark(config, standing);
        let is_trouble = standing.is_some_and(|one| one.mark().is_trouble());
        [
            Cell::text(&config.name),
            Cell::some(config.kind().map(|kind| kind.word())),
            Cell::text(word).tone(if is_trouble { Tone::Bad } else { Tone::Plain }),
            Cell::count(standing.map_or(0, acts::Standing::waiting)),
            count(SendState::Held),
            Cell::count(standing.map_or(0, acts::Standing::failed)),
            count(SendState::Sent),
            Cell::some(standing.and_then(|one| one.row.problem.as_deref())),
        ]
    };
    let columns = [
        ("destination", Fit::Whole),
        ("kind", Fit::Whole),
        ("state", Fit::Whole),
        ("waiting", Fit::Number),
        ("held", Fit::Number),
        ("failed", Fit::Number),
        ("sent", Fit::Number),
        ("problem", Fit::End),
    ];
    print_list(columns, all.iter().map(row))?;
    for (config, standing) in &all {
        tell_what_to_do(config, standing.as_ref());
    }
    end(context).await
}

/// A name that was taken out of the file is still known to the store.
async fn tell_strangers(context: &Context) -> Result<(), Failure> {
    for row in context.store().destinations().await? {
        if context.config.destinations.iter().all(|one| one.name != row.name) {
            let forget = CommandLine::of(&["deliver", "forget"]).and(&row.name);
            note(&format!(
                "`{}` is no longer in config.toml, and nothing is sent to it; {forget} forgets it",
                printable(&row.name)
            ));
        }
    }
    Ok(())
}

fn tell_what_to_do(config: &DestinationConfig, standing: Option<&acts::Standing>) {
    let Some(standing) = standing else { return };
    let name = &config.name;
    let held = standing.count(SendState::Held);
    if held > 0 {
        let look = CommandLine::of(&["deliver", "list"]).and(name).then(&["--state", "held"]);
        let approve = CommandLine::of(&["deliver", "approve"]).and(name);
        note(&format!(
            "{held} tickets of `{name}` are held: {look} lists them, {approve} lets them go"
        ));
    }
    if standing.failed() > 0 {
        let look =
            CommandLine::of(&["deliver", "list"]).and(name).then(&["--state", "failed,dead"]);
        let replay = CommandLine::of(&["deliver", "replay"]).and(name);
        note(&format!(
            "{} sends of `{name}` failed: {look} lists them, {replay} sends them again",
            standing.failed()
        ));
    }
}

async fn sends(context: &Context, name: &str, args: &ListDeliveries) -> Result<(), Failure> {
    if let Err(refusal) = acts::named(context.store(), name).await {
        // One that is configured may have been planned for never yet.
        configured(context, name).map_err(|_| refused(context, refusal))?;
    }
    let states = args.state.iter().map(|word| state(word)).collect::<Result<Vec<_>, _>>()?;
    let filter = SendFilter { destination: Some(name.to_owned()), states, before: None };
    let limit = most(args.limit, SENDS);
    let rows = context.store().sends(filter, limit).await?;
    if args.json {
        let rows: Vec<_> = rows.iter().map(|send| send_json(send, &preview(send, None))).collect();
        return print_json(&rows);
    }
    if rows.is_empty() {
        note(&format!("nothing was planned for `{}`", printable(name)));
        return Ok(());
    }
    let row = |send: &SendRow| {
        let reason = send.reason.as_deref().or(send.answer.as_deref());
        [
            Cell::number(send.id.number()),
            Cell::moment(Some(send.planned_ms)),
            Cell::text(send.action.as_str()),
            Cell::text(send.state.as_str()),
            Cell::text(&preview(send, None).subject),
            Cell::some(send.reference.as_deref()),
            Cell::some(reason),
        ]
    };
    let columns = [
        ("number", Fit::Number),
        ("planned", Fit::Whole),
        ("action", Fit::Whole),
        ("state", Fit::Whole),
        ("about", Fit::End),
        ("reference", Fit::End),
        ("reason", Fit::End),
    ];
    print_list(columns, rows.iter().map(row))
}

fn most(asked: Option<u32>, usual: u32) -> u32 {
    match asked {
        Some(0) => u32::MAX,
        asked => asked.unwrap_or(usual),
    }
}

const STATES: [SendState; 8] = [
    SendState::Simulated,
    SendState::Skipped,
    SendState::Pending,
    SendState::Sending,
    SendState::Sent,
    SendState::Failed,
    SendState::Dead,
    SendState::Held,
];

fn state(word: &str) -> Result<SendState, Failure> {
    STATES.into_iter().find(|state| state.as_str() == word.trim()).ok_or_else(|| {
        let words = STATES.map(SendState::as_str).join(", ");
        Failure::usage(format!(
            "there is no state `{}`\nhint: the states are {words}",
            printable(word)
        ))
    })
}

pub(super) fn send_json(send: &SendRow, preview: &Preview) -> Value {
    json!({
        "number": send.id.number(),
        "id": send.uid,
        "destination": send.destination,
        "group": send.group,
        "from_seq": send.from_seq,
        "to_seq": send.to_seq,
        "action": send.action.as_str(),
        "state": send.state.as_str(),
        "about": preview.subject,
        "reason": send.reason,
        "attempts": send.attempts,
        "replays": send.replays,
        "planned_at": rfc3339(send.planned_ms),
        "next_at": (send.settled_ms.is_none()).then(|| rfc3339(send.next_ms)),
        "settled_at": send.settled_ms.map(rfc3339),
        "reference": send.reference,
        "answer": send.answer,
    })
}

/// What of the receiver is needed to show a send as it would be written. A destination that
/// does not work shows it as the ledger has it.
async fn receiver(context: &Context, name: &str) -> Result<Option<Receiver>, Failure> {
    let Ok(config) = configured(context, name) else { return Ok(None) };
    Ok(made(context, config).await?.made.ok().map(|destination| destination.receiver))
}

pub(super) async fn show(context: &Context, args: ShowSend) -> Result<(), Failure> {
    let send = acts::send(context.store(), args.number)
        .await
        .map_err(|refusal| refused(context, refusal))?;
    let receiver = receiver(context, &send.destination).await?;
    let preview = preview(&send, receiver.as_ref());
    if args.json {
        let mut object = send_json(&send, &preview);
        object["text"] = json!(preview.text);
        object["payload"] = serde_json::from_str(&send.payload).unwrap_or(json!(send.payload));
        return print_json(&object);
    }
    print(&described(&send, &preview))
}

fn described(send: &SendRow, preview: &Preview) -> String {
    let mut lines = vec![
        ("send", format!("{} ({})", send.id.number(), send.uid)),
        ("destination", printable(&send.destination)),
        ("about", printable(&preview.subject)),
        ("action", send.action.as_str().to_owned()),
        ("state", send.state.as_str().to_owned()),
        ("planned", when(send.planned_ms)),
        ("attempts", send.attempts.to_string()),
    ];
    match send.settled_ms {
        Some(ms) => lines.push(("ended", when(ms))),
        None => lines.push(("next try", when(send.next_ms))),
    }
    let some = [("reason", &send.reason), ("reference", &send.reference), ("answer", &send.answer)];
    lines.extend(
        some.into_iter().filter_map(|(name, text)| Some((name, printable(text.as_ref()?)))),
    );
    let mut text: String =
        lines.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect();
    if let Some(content) = &preview.text {
        text.push_str(&format!("\n{}\n", prose(content)));
    }
    text
}

pub(super) async fn simulate(context: &Context, args: Simulate) -> Result<(), Failure> {
    let config = configured(context, &args.name)?;
    if config.mode() != countersign_store::DeliveryMode::Simulate {
        return Err(Failure::usage(format!(
            "the mode of `{0}` is `live`: what is planned for it is sent\nhint: set \
             `mode = \"simulate\"` for `{0}` in `{1}`",
            args.name,
            context.home.config().display()
        )));
    }
    let destination = working(context, config).await?;
    Machine::open(context).await?.plan(&destination).await?;
    let filter = SendFilter {
        destination: Some(args.name.clone()),
        states: vec![SendState::Simulated],
        before: None,
    };
    let rows = context.store().sends(filter, most(args.limit, PREVIEWS)).await?;
    let shown: Vec<_> =
        rows.iter().map(|send| (send, preview(send, Some(&destination.receiver)))).collect();
    if args.json {
        let object = |(send, preview): &(&SendRow, Preview)| {
            let mut object = send_json(send, preview);
            object["text"] = json!(preview.text);
            object
        };
        return print_json(&shown.iter().map(object).collect::<Vec<_>>());
    }
    if shown.is_empty() {
        let backfill = CommandLine::of(&["deliver", "backfill"]).and(&args.name);
        note(&format!(
            "nothing new would be sent to `{}`; {backfill} looks at what was stored before it",
            args.name
        ));
        return Ok(());
    }
    for (send, preview) in &shown {
        let about = printable(&preview.subject);
        print(&format!("{} {} {about}\n", send.id.number(), send.action.as_str()))?;
        if let Some(text) = &preview.text {
            print(&format!("{}\n\n", prose(text)))?;
        }
    }
    note(&format!(
        "nothing was sent: set `mode = \"live\"` for `{}` in config.toml to deliver what is new from then on",
        args.name
    ));
    Ok(())
}

pub(super) async fn links(context: &Context, args: OneDestination) -> Result<(), Failure> {
    let found = acts::named(context.store(), &args.name).await;
    let row = found.map_err(|refusal| refused(context, refusal))?.row;
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = context.store().links(row.id, &after, LINKS).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.group);
        all.extend(page);
    }
    if args.json {
        return print_json(&all.iter().map(link_json).collect::<Vec<_>>());
    }
    if all.is_empty() {
        note(&format!("`{}` has no tickets yet", printable(&args.name)));
        return Ok(());
    }
    let cells = |link: &LinkRow| {
        [
            Cell::text(&link.reference),
            Cell::text(link.standing.as_str()),
            Cell::text(&about(link)),
            Cell::moment(Some(link.changed_ms)),
            Cell::some(link.url.as_deref()),
        ]
    };
    let columns = [
        ("ticket", Fit::Whole),
        ("state", Fit::Whole),
        ("about", Fit::End),
        ("changed", Fit::Whole),
        ("url", Fit::End),
    ];
    print_list(columns, all.iter().map(cells))
}

/// What a ticket is of.
fn about(link: &LinkRow) -> String {
    let subject: Value = serde_json::from_str(&link.subject).unwrap_or_default();
    let text = |name: &str| subject[name].as_str().unwrap_or_default().to_owned();
    let version = text("version");
    match version.is_empty() {
        true => format!("{} {}", text("kind"), text("value")).trim().to_owned(),
        false => format!("{} {} {version}", text("kind"), text("value")),
    }
}

fn link_json(link: &LinkRow) -> Value {
    json!({
        "group": link.group,
        "subject": serde_json::from_str::<Value>(&link.subject).unwrap_or_default(),
        "reference": link.reference,
        "url": link.url,
        "state": link.standing.as_str(),
        "created_at": rfc3339(link.created_ms),
        "changed_at": rfc3339(link.changed_ms),
    })
}
