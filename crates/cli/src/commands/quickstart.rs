//! `quickstart`: the whole path once, over HTTPS, on an empty home.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;

use countersign_client::Url;
use countersign_connector::check::Check;
use countersign_connector::integration::Place;
use countersign_connector::sync::Finished;
use countersign_findings::Population;
use countersign_platform::{Config, Platform};
use countersign_store::Integration;
use serde_json::json;

use super::context::Context;
use super::control::Signpost;
use super::demo::{self, NAME};
use super::guide;
use super::integration::check_text;
use super::platform::{Stop, failure, mail_text, ready_object, start};
use super::report::{counts_text, sync_text};
use super::serve::{Faces, Listening};
use super::sync::{How, run_one, tell_problems};
use crate::advice::CommandLine;
use crate::args::Quickstart;
use crate::failure::{Exit, Failure};
use crate::located;
use crate::output::{note, print, print_json};
use crate::system;

const USER: &str = "countersign-reader";

pub(crate) async fn run(home: Option<&Path>, args: Quickstart) -> Result<(), Failure> {
    if args.remove {
        return demo::remove(home).await;
    }
    let (context, _held) = demo::enter(home).await?;
    // What is proposed from here on is about the demo.
    located::on(context.home.path().to_owned());
    let known = context.store().integrations().await?.into_iter().find(|one| one.name == NAME);
    let say = |text: &str| {
        if !args.json {
            note(text);
        }
    };
    say(&format!("the demo is in {}", context.home.path().display()));
    say("1/4 starting a platform with a demo tenant …");
    let platform = start_platform(&context, known.as_ref()).await?;
    let _signpost = Signpost::put(&context.home.platform(), &platform)?;
    if args.browser {
        return by_hand(&context, platform).await;
    }
    say("2/4 adding an API user, activating it, generating its credentials …");
    say("3/4 adding the integration and checking every permission …");
    let (integration, check) = match known {
        Some(known) => {
            let check = recheck(&context, &known).await?;
            (known, check)
        }
        None => introduce(&context, &platform).await?,
    };
    say("4/4 syncing …");
    let lock = context.store().lock_for_sync()?;
    let finished = run_one(&context, &integration, How::default()).await?;
    drop(lock);
    if finished.is_stopped {
        return Err(Failure::silent(Exit::Incomplete));
    }
    if args.json {
        print_json(&object(&context, &platform, &integration, &check, &finished).await?)?;
    } else {
        tell(&context, &platform, &integration, &check, &finished).await?;
    }
    tell_problems(&finished);
    if !args.once {
        if let Some(url) = platform.console_url() {
            note(&format!("console: {url}\nmail:    {}", *mail_text(&platform, false, None)));
        }
        // For a person in front of it; never into a log.
        let is_watched = std::io::stderr().is_terminal();
        let admin = platform.first_admin().map_err(failure)?;
        if let Some((name, password)) = admin.filter(|_| is_watched) {
            note(&format!("sign in as {name} with {}", *password));
        }
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let served =
            Listening::begin(listen, None, None, Faces::new(None)).await?.open(&context).await?;
        let mut stop = Stop::listen()?;
        served.tell(None);
        note(&format!(
            "platform and dashboard stay up; Ctrl-C stops them, and {} deletes the demo",
            CommandLine::at(context.home.path(), &["quickstart", "--remove"])
        ));
        stop.asked().await?;
        served.end().await?;
    }
    platform.shutdown().await.map_err(failure)?;
    finished.fault().map_or(Ok(()), |fault| Err(Failure::silent(Exit::from(fault))))
}

/// The same path for a person in a browser: each step beside it, in the guide's words.
async fn by_hand(context: &Context, platform: Platform) -> Result<(), Failure> {
    let console = platform.console_url().unwrap_or_default().to_owned();
    let mailbox = mail_text(&platform, false, None);
    let who = match platform.first_admin().map_err(failure)? {
        // For a person in front of it; never into a log.
        Some((name, password)) if std::io::stderr().is_terminal() => {
            format!("{name} with {}", *password)
        }
        Some((name, _)) => format!("{name}; run this on a terminal to see the password"),
        None => "the administrator, with the password that you set".to_owned(),
    };
    let mut stop = Stop::listen()?;
    let place = context.home.path();
    let url = platform.rest_url();
    let add = CommandLine::at(place, &["integration", "add", NAME, "--url", &url])
        .then(&["--ca-file"])
        .and(platform.ca_file().display());
    note(&format!(
        "The browser warns of the certificate: it is signed by {}\n\n\
         1. {console}: sign in as {who}\n\
         2. Settings → Admin → Users → Add New User; under “Roles for a purpose” choose the\n   \
            API account that reads applications and findings; fill in the names; Save\n\
         3. sign out; the mailbox: {}\n   \
            open “Welcome to Veracode”, follow Activate Account\n\
         4. set a password, set up an app or a passkey, store the recovery codes\n\
         5. API Credentials → Create API Credentials → HMAC Credentials → Generate\n\
         6. copy ID and Secret Key; in another terminal, this asks for them:\n   \
            {}\n\
         7. {}\n\n\
         Ctrl-C stops the platform",
        platform.ca_file().display(),
        *mailbox,
        add.bare(),
        CommandLine::at(place, &["sync"]).bare(),
    ));
    if !system::open_page(&console) {
        note("no browser could be opened: open the address by hand");
    }
    stop.asked().await?;
    platform.shutdown().await.map_err(failure)
}

/// On a home that was used before, at the address that its integration knows.
async fn start_platform(
    context: &Context,
    known: Option<&Integration>,
) -> Result<Platform, Failure> {
    let mut config = Config::new(
        &context.home.platform(),
        context.connector.clock.clone(),
        context.connector.random.clone(),
    );
    if let Some(port) = known.and_then(|one| Url::parse(&one.url).ok()).and_then(|url| url.port()) {
        config.listen = SocketAddr::from(([127, 0, 0, 1], port));
    }
    config.control = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.console = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let port = config.listen.port();
    start(config).await.map_err(|failure| match failure.is_address() {
        // Its integration knows that port: another would be another service.
        true => failure.with_hint(format!(
            "stop the program that uses it, which `ss -ltnp 'sport = :{port}'` names"
        )),
        false => failure,
    })
}

async fn recheck(context: &Context, known: &Integration) -> Result<Check, Failure> {
    let client = context.client_of(known, "check")?;
    Ok(context.connector.check_integration(known, &client).await?)
}

/// The guide's steps: an API account and its pair by the console's pages, the pair
/// into the vault with the check of the integration.
async fn introduce(
    context: &Context,
    platform: &Platform,
) -> Result<(Integration, Check), Failure> {
    context.prove_vault().await?;
    let pair = guide::credentials(platform, USER).await?;
    let place = Place {
        url: platform.rest_url(),
        ca_pem: Some(platform.ca_pem().to_owned()),
        allow_http_loopback: false,
    };
    let secret = pair.into();
    let client = context.client(&place, &secret)?;
    let check = context.connector.add_integration(NAME, place, secret, &client).await?;
    Ok((context.store().integration(NAME).await?, check))
}

async fn object(
    context: &Context,
    platform: &Platform,
    integration: &Integration,
    check: &Check,
    finished: &Finished,
) -> Result<serde_json::Value, Failure> {
    let counts = context.store().counts(integration.id, Population::STORED).await?;
    let by_scan_type: serde_json::Map<_, _> =
        counts.by_scan_type.into_iter().map(|(name, count)| (name, count.into())).collect();
    Ok(json!({
        "home": context.home.path(),
        "platform": ready_object(platform)?,
        "credential": {
            "api_id": integration.api_id,
            "expires_at": check.expires_ms.map(countersign_findings::rfc3339),
            "vault": context.connector.vault.place(),
        },
        "integration": { "name": integration.name, "url": integration.url },
        "sync": {
            "applications": finished.report.applications.listed,
            "findings": finished.report.findings.total,
            "by_scan_type": by_scan_type,
            "requests": finished.report.requests,
            "duration_ms": finished.report.duration_ms,
            "complete": finished.report.complete,
        },
    }))
}

async fn tell(
    context: &Context,
    platform: &Platform,
    integration: &Integration,
    check: &Check,
    finished: &Finished,
) -> Result<(), Failure> {
    let usual = Population::USUAL;
    let counts = context.store().counts(integration.id, usual).await?;
    let home = context.home.path();
    let further = [
        CommandLine::at(home, &["applications"]),
        CommandLine::at(home, &["findings", "--severity", "high+"]),
        CommandLine::at(home, &["export", "--format", "csv", "--output", "findings.csv"]),
        CommandLine::at(home, &["quickstart", "--remove"]),
    ];
    print(&format!(
        "\ndata         {}\nplatform     {}\ntrust        {}\nvault        {}\n{}\n{}{}\nLook further, and delete the demo at the end\n{}",
        home.display(),
        platform.rest_url(),
        platform.ca_file().display(),
        context.connector.vault.place(),
        check_text(context.now(), &integration.name, check),
        sync_text(&integration.name, &finished.report),
        counts_text(&counts, usual, finished.report.findings.total),
        further.iter().map(|line| format!("  {}\n", line.bare())).collect::<String>(),
    ))
}
