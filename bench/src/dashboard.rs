//! How long the dashboard's pages take on the store of a home, signed in as a reader.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;

use crate::pages::Visitor;
use crate::process::{Ended, run, told};

const PASSWORD: &str = "plum-Kettle7-orbit";
const HIGH_AND_OPEN: &str = "/findings?filter=severity%5Bgte%5D4+and+state%5Beq%5Dopen";

/// The home is one of ours: somebody is added to it, and its schedule is paused.
pub async fn measure(countersign: &Path, home: &Path, integration: &str) -> Result<()> {
    let at_home = |arguments: &[&str]| {
        let mut command = Command::new(countersign);
        command.arg("--home").arg(home).args(arguments);
        command
    };
    run(&mut at_home(&["schedule", "pause", integration]), "")?;
    let ready = home.join("serve.json");
    let _ = std::fs::remove_file(&ready);
    let serve = at_home(&["serve", "--listen", "127.0.0.1:0", "--ready-file"])
        .arg(&ready)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut serving = Ended(serve);
    let ready = told(&mut serving.0, &ready).await?;
    let setup = ready["setup_url"].as_str().context("no link for the first account")?;
    let (host, path) =
        setup.trim_start_matches("http://").split_once('/').context("no link at all")?;
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let mut visitor = Visitor::new(stream, host);
    let welcome = format!("/{path}");
    let token = visitor.token(&welcome).await?;
    let form = format!("token={token}&name=reader&password={PASSWORD}&again={PASSWORD}");
    let (status, answer) = visitor.ask("POST", &welcome, &form).await?;
    ensure!(status == 303, "the first account: {status} {answer}");

    let (floor, _) = visitor.look("/style.css").await?;
    println!("a file that never changes {floor:24.2} ms  (floor)");
    let one_of = |page: String, start: &str| {
        let link = page.split("href=\"").find(|link| link.starts_with(start));
        link.and_then(|link| link.split('"').next()).map(str::to_owned).context("an empty list")
    };
    let (_, findings) = visitor.ask("GET", "/findings", "").await?;
    let (_, applications) = visitor.ask("GET", "/applications", "").await?;
    for (name, path) in [
        ("overview", "/".to_owned()),
        ("findings", "/findings".to_owned()),
        ("findings, high ones that are open", HIGH_AND_OPEN.to_owned()),
        ("one finding", one_of(findings, "/findings/")?),
        ("applications", "/applications".to_owned()),
        ("one application", one_of(applications, "/applications/")?),
        ("changes", "/changes".to_owned()),
        ("integrations", "/integrations".to_owned()),
        ("credentials", "/credentials".to_owned()),
    ] {
        let (ms, weight) = visitor.look(&path).await?;
        let weight = weight as f64 / 1024.0;
        println!("{name:36} {ms:7.2} ms  {:6.1} x the floor  {weight:6.1} KiB", ms / floor);
    }
    Ok(())
}
