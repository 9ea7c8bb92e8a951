//! The real clock, real randomness, and the log.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_files::{self as files, Secrecy};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use crate::args::LogFormat;
use crate::logs::JsonLines;
use crate::output;

pub(crate) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;
pub(crate) type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

#[expect(clippy::disallowed_methods, reason = "the one real clock")]
pub(crate) fn clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[expect(clippy::disallowed_methods, reason = "the one real source of randomness")]
pub(crate) fn random() -> Random {
    Arc::new(|buffer| getrandom::fill(buffer).expect("the operating system gives random bytes"))
}

/// A name for this process that says which machine it is of, and that no other has.
pub(crate) fn process_name(random: &Random) -> String {
    let named = files::read_text(Path::new("/proc/sys/kernel/hostname"), Secrecy::Open, 256);
    let machine = named.map(|name| name.trim().to_owned());
    let machine = machine.unwrap_or_else(|_| std::env::consts::OS.to_owned());
    let mut bytes = [0; 4];
    random(&mut bytes);
    let number = u32::from_le_bytes(bytes);
    format!("{machine}/{}/{number:08x}", std::process::id())
}

/// A core file would hold every secret that is in memory: there is none, however this
/// process dies, nor one of the programs that it hands a secret to.
pub(crate) fn forbid_core_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // Lowering a limit is never refused.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
}

/// A write past the limit on the size of files fails like one on a full disk, and does not
/// end the process. Within a runtime.
pub(crate) fn survive_file_limits() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::Signal;
        use tokio::signal::unix::{SignalKind, signal};
        // Caught from then on, even when nobody waits for it.
        drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?);
    }
    Ok(())
}

/// Logs go to standard error: ours alone unless a filter says otherwise, for what a library
/// has to say is no help to whoever runs this. A filter that cannot be read falls back to
/// that and says so.
pub(crate) fn start_logging(filter: Option<&str>, format: LogFormat, is_quiet: bool, verbose: u8) {
    let (filter, complaint) = chosen(filter, is_quiet, verbose);
    let lines = tracing_subscriber::fmt::layer();
    let lines = match format {
        // Without colours: an escape in a log line is somebody else's.
        LogFormat::Text => lines.with_writer(output::log).with_ansi(false).boxed(),
        LogFormat::Json => {
            output::note_in_json();
            lines.event_format(JsonLines).with_writer(output::log_in_json).boxed()
        }
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    if let Some(error) = complaint {
        tracing::warn!("the log filter cannot be read, using the default: {error}");
    }
}

/// What is logged, and what is wrong with the filter that was given.
fn chosen(
    filter: Option<&str>,
    is_quiet: bool,
    verbose: u8,
) -> (Targets, Option<tracing_subscriber::filter::ParseError>) {
    let level = match (is_quiet, verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, _) => LevelFilter::DEBUG,
    };
    let own = Targets::new().with_target("countersign", level);
    match filter.map(str::parse::<Targets>) {
        None => (own, None),
        Some(Ok(parsed)) => (parsed, None),
        Some(Err(error)) => (own, Some(error)),
    }
}

/// Asks the desktop to show a page.
pub(crate) fn open_page(url: &str) -> bool {
    let program = match std::env::consts::OS {
        "macos" => "open",
        "windows" => "explorer",
        _ => "xdg-open",
    };
    let command = std::process::Command::new(program)
        .arg(url)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    command.is_ok()
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter as Level;

    use super::*;

    #[test]
    fn libraries_are_logged_when_somebody_asks() {
        let is_on = |filter, is_quiet, verbose, target, level: Level| {
            let (filter, _) = chosen(filter, is_quiet, verbose);
            filter.would_enable(target, &level.into_level().unwrap())
        };
        for verbose in [0, 1, 2] {
            assert!(!is_on(None, false, verbose, "hyper::proto", Level::ERROR));
            assert!(is_on(None, false, verbose, "countersign_web::serve", Level::WARN));
        }
        assert!(is_on(Some("hyper=debug"), false, 0, "hyper::proto", Level::DEBUG));
        assert!(!is_on(None, true, 0, "countersign_web::serve", Level::WARN));
        assert!(is_on(None, false, 1, "countersign_web::serve", Level::INFO));
        assert!(!is_on(None, false, 1, "countersign_web::serve", Level::DEBUG));
        let (_, complaint) = chosen(Some("countersign=loud"), false, 0);
        assert!(complaint.is_some());
    }
}
