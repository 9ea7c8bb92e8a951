//! `[schedule]`: when `serve` syncs, and `[schedule.NAME]`: what is different for one
//! integration. `docs/reference/schedule.md` shows them.

use std::collections::BTreeMap;
use std::fmt;

use countersign_connector::duty::Rule;
use countersign_connector::hours::Window;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::watch::Span;

/// `[schedule]` as it is written; a key that is none of its own names an integration.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScheduleConfig {
    usual: Keys,
    named: BTreeMap<String, Keys>,
}

/// What may be said for all integrations and for each.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Keys {
    /// From the start of one run to the start of the next, at least.
    period: Option<Span>,
    /// When runs may start, such as `mon-fri 20:00-06:00`; none at all is always.
    windows: Option<Vec<WindowText>>,
    /// Whose clock the windows go by: an IANA name, or `UTC`.
    zone: Option<Zone>,
    /// How long after the opening of a window a run starts, at most, or `off`.
    jitter: Option<SpanOrOff>,
    /// How often everything is read, or `off`.
    full_every: Option<SpanOrOff>,
    /// Whether nothing is synced but by hand.
    paused: Option<bool>,
}

const KEYS: &str = "period, windows, zone, jitter, full_every, paused";

#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct WindowText(Window);

impl TryFrom<String> for WindowText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct Zone(TimeZone);

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong =
            |_| format!("`{text}` is no zone: give an IANA name such as Europe/Berlin, or UTC");
        TimeZone::get(&text).map(Self).map_err(wrong)
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct SpanOrOff(Option<Span>);

impl TryFrom<String> for SpanOrOff {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse().map(Some).map(Self).map_err(|what: String| format!("{what}, or off"))
    }
}

impl SpanOrOff {
    fn ms(self) -> Option<i64> {
        self.0.map(Span::ms)
    }
}

impl ScheduleConfig {
    /// For integrations that are not named.
    pub(crate) fn usual(&self) -> Rule {
        Keys::default().over(&self.usual)
    }

    /// For those that are, by name.
    pub(crate) fn rules(&self) -> BTreeMap<String, Rule> {
        let over = |(name, keys): (&String, &Keys)| (name.clone(), keys.over(&self.usual));
        self.named.iter().map(over).collect()
    }

    /// For this one.
    pub(crate) fn rule(&self, integration: &str) -> Rule {
        match self.named.get(integration) {
            Some(keys) => keys.over(&self.usual),
            None => self.usual(),
        }
    }

    /// The integrations that are named.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }
}

impl Keys {
    /// What is not said here is as usual.
    fn over(&self, usual: &Self) -> Rule {
        let hour_ms = 3_600_000;
        let windows = self.windows.as_ref().or(usual.windows.as_ref());
        let zone = self.zone.as_ref().or(usual.zone.as_ref());
        let jitter = self.jitter.or(usual.jitter);
        let full_every = self.full_every.or(usual.full_every);
        Rule {
            period_ms: self.period.or(usual.period).map_or(6 * hour_ms, Span::ms),
            windows: windows.into_iter().flatten().map(|window| window.0).collect(),
            zone: zone.map_or(TimeZone::UTC, |zone| zone.0.clone()),
            jitter_ms: jitter.map_or(hour_ms / 6, |jitter| jitter.ms().unwrap_or_default()),
            full_every_ms: full_every.map_or(Some(7 * 24 * hour_ms), SpanOrOff::ms),
            is_paused: self.paused.or(usual.paused).unwrap_or_default(),
        }
    }
}

impl<'de> Deserialize<'de> for ScheduleConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TableVisitor)
    }
}

struct TableVisitor;

impl<'de> Visitor<'de> for TableVisitor {
    type Value = ScheduleConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ScheduleConfig, A::Error> {
        let mut config = ScheduleConfig::default();
        while let Some(key) = map.next_key::<String>()? {
            let usual = &mut config.usual;
            match key.as_str() {
                "period" => usual.period = Some(map.next_value()?),
                "windows" => usual.windows = Some(map.next_value()?),
                "zone" => usual.zone = Some(map.next_value()?),
                "jitter" => usual.jitter = Some(map.next_value()?),
                "full_every" => usual.full_every = Some(map.next_value()?),
                "paused" => usual.paused = Some(map.next_value()?),
                _ => {
                    let keys = map.next_value_seed(Named(&key))?;
                    config.named.insert(key, keys);
                }
            }
        }
        Ok(config)
    }
}

/// The table of an integration. Anything else is a key that there is not.
struct Named<'a>(&'a str);

impl Named<'_> {
    fn unknown<E: Error>(&self) -> E {
        E::custom(format!(
            "unknown field `{}`: expected one of {KEYS}, or the table of an integration",
            self.0
        ))
    }
}

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = Keys;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Keys, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Named<'_> {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the table of an integration")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Keys, A::Error> {
        Keys::deserialize(serde::de::value::MapAccessDeserializer::new(map))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Keys, E> {
        Err(self.unknown())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Keys, E> {
        Err(self.unknown())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Keys, E> {
        Err(self.unknown())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Keys, E> {
        Err(self.unknown())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Keys, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Err(self.unknown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ScheduleConfig, String> {
        #[derive(Debug, Default, Deserialize)]
        struct File {
            schedule: ScheduleConfig,
        }
        let told = |error: toml::de::Error| error.to_string();
        toml::from_str::<File>(text).map(|file| file.schedule).map_err(told)
    }

    #[test]
    fn what_cannot_be_meant_is_refused_where_it_stands() {
        for (text, word, line) in [
            ("[schedule]\nperiod = \"6h\"\nperiot = \"6h\"\n", "periot", "line 3"),
            ("[schedule]\nperiods = [\"6h\"]\n", "periods", "line 2"),
            ("[schedule]\npause = true\n", "pause", "line 2"),
            ("[schedule]\nperiod = \"6\"\n", "no span", "line 2"),
            ("[schedule]\nperiod = \"off\"\n", "no span", "line 2"),
            ("[schedule]\njitter = \"0m\"\n", "or off", "line 2"),
            ("[schedule]\nzone = \"Europe/Atlantis\"\n", "no zone", "line 2"),
            ("[schedule]\nwindows = [\"mon-fri\", \"mo 20:00-06:00\"]\n", "no window", "line 2"),
            ("[schedule.prod]\nperiot = \"6h\"\n", "periot", "line 2"),
            ("[schedule.prod]\nzone = \"Europe/Berlin\"\nwindow = \"mon\"\n", "window", "line 3"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(word) && told.contains(line), "{text}: {told}");
        }
    }

    #[test]
    fn windows_that_are_none() {
        for text in [
            "",
            "20:00",
            "20:00-20:00",
            "24:00-06:00",
            "2:00-06:00",
            "20:00-06:60",
            "20:00-25:00",
            "mon fri 20:00-06:00",
            "mon- 20:00-06:00",
            "monday",
            "mon,,tue",
            "20:00-06:00 mon",
            "+1:00-06:00",
        ] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
        for (text, shown) in [
            ("mon-fri 20:00-06:00", "mon,tue,wed,thu,fri 20:00-06:00"),
            ("fri-mon", "mon,fri,sat,sun 00:00-24:00"),
            ("Sat,Sun 00:00-24:00", "sat,sun 00:00-24:00"),
            ("mon-sun 22:00-00:00", "22:00-24:00"),
        ] {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), shown);
            assert_eq!(shown.parse::<Window>(), text.parse());
        }
    }

    #[test]
    fn an_integration_is_as_usual_but_for_what_its_table_says() {
        let text = "[schedule]\nperiod = \"12h\"\nzone = \"Europe/Berlin\"\njitter = \"off\"\n
            [schedule.prod]\nwindows = [\"mon-fri 20:00-06:00\"]\nfull_every = \"off\"\n
            [schedule.old]\npaused = true\nzone = \"UTC\"\n";
        let config = read(text).unwrap();
        let (usual, prod, old) = (config.usual(), config.rule("prod"), config.rule("old"));
        assert_eq!(usual, config.rule("another"));
        assert_eq!((usual.period_ms, usual.jitter_ms), (12 * 3_600_000, 0));
        assert_eq!(prod.zone, usual.zone);
        assert_eq!((prod.windows.len(), prod.full_every_ms), (1, None));
        assert!(old.is_paused && !prod.is_paused);
        assert_eq!(old.zone, TimeZone::UTC);
        assert_eq!(read("[schedule]\n").unwrap().usual().period_ms, 6 * 3_600_000);
    }
}
