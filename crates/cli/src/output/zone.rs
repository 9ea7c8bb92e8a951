//! The zone that this machine's clock shows.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

static ZONE: OnceLock<TimeZone> = OnceLock::new();

/// Of a file that describes a zone.
const LARGEST: u64 = 64 * 1024;

/// Milliseconds since the Unix epoch as `2026-11-24 09:00 +01:00`; `UTC` where the offset is
/// none. Filters read both.
pub(crate) fn local(ms: i64) -> String {
    shown(ms, ZONE.get_or_init(find))
}

fn shown(ms: i64, zone: &TimeZone) -> String {
    let Ok(time) = Timestamp::from_millisecond(ms) else { return format!("{ms} ms") };
    let time = time.to_zoned_datetime(zone.clone());
    let form = if time.offset().is_zero() { "%Y-%m-%d %H:%M UTC" } else { "%Y-%m-%d %H:%M %:z" };
    time.strftime(form).to_string()
}

/// `TZ` if it is there, else what the machine is set to, else UTC.
fn find() -> TimeZone {
    let zone = match std::env::var("TZ") {
        Ok(name) => named(name.strip_prefix(':').unwrap_or(&name)),
        Err(_) => of_machine(Path::new("/etc/localtime")),
    };
    zone.unwrap_or(TimeZone::UTC)
}

fn named(name: &str) -> Option<TimeZone> {
    match Path::new(name).is_absolute() {
        true => described(Path::new(name)),
        false => TimeZone::get(name).or_else(|_| TimeZone::posix(name)).ok(),
    }
}

/// A link into the database of zones says the name; a copy has the description only.
fn of_machine(path: &Path) -> Option<TimeZone> {
    let link = std::fs::read_link(path).ok();
    let link = link.as_ref().and_then(|link| link.to_str());
    let name = link.and_then(|link| link.split_once("zoneinfo/")).map(|(_, name)| name);
    name.and_then(|name| TimeZone::get(name).ok()).or_else(|| described(path))
}

fn described(path: &Path) -> Option<TimeZone> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
    TimeZone::tzif("local", &bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_says_its_zone_and_can_be_read_again() {
        let ms = 1_795_507_200_000;
        for (zone, text) in [
            ("UTC", "2026-11-24 08:00 UTC"),
            ("Europe/London", "2026-11-24 08:00 UTC"),
            ("Europe/Berlin", "2026-11-24 09:00 +01:00"),
            ("Asia/Kolkata", "2026-11-24 13:30 +05:30"),
            ("America/New_York", "2026-11-24 03:00 -05:00"),
            ("EST5EDT,M3.2.0,M11.1.0", "2026-11-24 03:00 -05:00"),
        ] {
            let zone = named(zone).unwrap_or_else(|| panic!("{zone}"));
            assert_eq!(shown(ms, &zone), text);
            assert_eq!(countersign_findings::parse_moment(text, 0), Some(ms), "{text}");
        }
        assert_eq!(shown(i64::MAX, &TimeZone::UTC), format!("{} ms", i64::MAX));
    }

    #[test]
    fn what_names_no_zone_is_none() {
        assert!(named("Nowhere/At_All").is_none());
        assert!(described(Path::new("/nowhere/at/all")).is_none());
    }
}
