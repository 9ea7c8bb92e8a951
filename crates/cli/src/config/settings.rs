//! What is configured, key by key: what the file says and where, what holds without it, and
//! what in it cannot be meant.

use std::collections::BTreeMap;

use countersign_findings::filter::nearest;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::keys::{KEYS, Key, Kind, NAME, Source};

/// What stands for a value that may hold a password.
const NOT_SHOWN: &str = "(not shown)";

/// A value of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The key, as the table of keys names it but for names of the user's.
    path: Vec<String>,
    /// Which of several tables it is in, from 1 on.
    at: Option<usize>,
    line: usize,
    /// As it is written.
    value: String,
}

impl Entry {
    fn name(&self) -> String {
        let name = self.path.join(".");
        match self.at {
            Some(at) => name.replacen("[]", &format!("[{at}]"), 1),
            None => name,
        }
    }

    /// The one of several tables that it is in.
    fn table(&self) -> Option<(String, usize)> {
        let end = self.path.iter().position(|part| part.ends_with("[]"))?;
        Some((self.path[..=end].join("."), self.at?))
    }

    /// A file that says this and nothing else, but for what its table cannot be read without.
    fn alone(&self) -> String {
        let quoted = |path: &[String]| {
            let quoted: Vec<_> = path.iter().map(|part| format!("{part:?}")).collect();
            quoted.join(".")
        };
        let Some((table, _)) = self.table() else {
            return format!("{} = {}", quoted(&self.path), self.value);
        };
        let below = &self.path[table.split('.').count()..];
        let but = below.first().map(String::as_str).unwrap_or_default();
        let header = table.trim_end_matches("[]");
        format!(
            "[[{header}]]\n{} = {}\n{}{}",
            quoted(below),
            self.value,
            self.beside(below),
            others(&table, but)
        )
    }

    /// What else is in the tables between that and the key, as examples: none of them can be
    /// read without what it needs.
    fn beside(&self, below: &[String]) -> String {
        let outer = self.path.len() - below.len();
        let mut text = String::new();
        for depth in 1..below.len() {
            let (before, key) = (&self.path[..outer + depth], &self.path[outer + depth]);
            let is_beside = |one: &&Key| {
                let parts: Vec<_> = one.name.split('.').collect();
                parts.len() == before.len() + 1
                    && parts.iter().zip(before).all(|(part, given)| *part == NAME || part == given)
                    && one.last() != key
                    && one.last() != NAME
            };
            let quoted: Vec<_> = below[..depth].iter().map(|part| format!("{part:?}")).collect();
            for one in KEYS.iter().filter(is_beside) {
                text.push_str(&format!("{}.{} = {}\n", quoted.join("."), one.last(), one.value()));
            }
        }
        text
    }

    fn known(&self) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.is_called(&self.path))
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File,
    Environment,
    Flag,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        }
    }
}

/// A value that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: String,
    /// As the file writes it; none where nothing is set.
    pub(crate) value: Option<String>,
    pub(crate) unit: Option<&'static str>,
    pub(crate) from: Origin,
    pub(crate) line: Option<usize>,
}

/// Something that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) line: Option<usize>,
    pub(crate) name: Option<String>,
    pub(crate) what: String,
    /// The key that may have been meant.
    pub(crate) nearest: Option<String>,
}

/// What a file says, in its order; else what is wrong with it as TOML.
fn entries(text: &str) -> Result<Vec<Entry>, Mistake> {
    let table = DeTable::parse(text).map_err(|error| Mistake {
        line: super::line_of(text, &error),
        name: None,
        what: error.message().to_owned(),
        nearest: None,
    })?;
    let mut found = Vec::new();
    collect(text, table.get_ref(), &Place::default(), &mut found);
    found.sort_by_key(|entry| entry.line);
    Ok(found)
}

#[derive(Debug, Clone, Default)]
struct Place {
    path: Vec<String>,
    at: Option<usize>,
}

fn collect(text: &str, table: &DeTable<'_>, place: &Place, found: &mut Vec<Entry>) {
    for (key, value) in table {
        let below = |name: &str, at: Option<usize>| Place {
            path: place.path.iter().cloned().chain([name.to_owned()]).collect(),
            at: at.or(place.at),
        };
        let name = key.get_ref().as_ref();
        let is_free = is_free(&below(name, None).path);
        match value.get_ref() {
            DeValue::Table(inner) if !is_free => collect(text, inner, &below(name, None), found),
            DeValue::Array(all) if !is_free && all.iter().any(|one| one.get_ref().is_table()) => {
                let tables = all.iter().filter_map(|one| one.get_ref().as_table());
                for (at, inner) in tables.enumerate() {
                    collect(text, inner, &below(&format!("{name}[]"), Some(at + 1)), found);
                }
            }
            _ => {
                let before = text.get(..key.span().start).unwrap_or_default();
                let Place { path, at } = below(name, None);
                let written = text.get(value.span()).unwrap_or_default();
                // A table with a header of its own is not written behind its key.
                let value = match value.get_ref() {
                    DeValue::Table(_) if !written.starts_with('{') => "{}".to_owned(),
                    _ => written.to_owned(),
                };
                found.push(Entry { path, at, line: before.matches('\n').count() + 1, value });
            }
        }
    }
}

/// Whether a key takes whatever another program accepts.
fn is_free(path: &[String]) -> bool {
    KEYS.iter().any(|key| key.kind == Kind::Any && key.is_called(path))
}

/// Everything in a file that cannot be meant: each unknown key and each value that its key
/// does not take, and then what contradicts itself.
pub(crate) fn mistakes(text: &str) -> Vec<Mistake> {
    let entries = match entries(text) {
        Ok(entries) => entries,
        Err(mistake) => return vec![mistake],
    };
    let mut found: Vec<_> = entries.iter().filter_map(mistake).collect();
    let lacking = missing(&entries, &found);
    found.extend(lacking);
    found.sort_by_key(|one| one.line);
    match toml::from_str::<Config>(text) {
        Ok(config) => found.extend(config.contradictions().into_iter().map(|what| {
            let entry = named(&entries, &what);
            let (line, name) = entry.map(|entry| (entry.line, entry.name())).unzip();
            Mistake { line, name, what, nearest: None }
        })),
        // What is wrong with a table as a whole, as that it is empty.
        Err(error) if found.is_empty() => found.push(Mistake {
            line: super::line_of(text, &error),
            name: None,
            what: error.message().to_owned(),
            nearest: None,
        }),
        Err(_) => {}
    }
    found
}

/// The entry that a sentence names first.
fn named<'e>(entries: &'e [Entry], what: &str) -> Option<&'e Entry> {
    let place = |entry: &&Entry| what.find(&format!("`{}`", entry.name()));
    entries.iter().filter(|entry| place(entry).is_some()).min_by_key(place)
}

/// The line of the key that a sentence names.
pub(super) fn line_of(text: &str, what: &str) -> Option<usize> {
    named(&entries(text).ok()?, what).map(|entry| entry.line)
}

fn mistake(entry: &Entry) -> Option<Mistake> {
    let (line, name) = (Some(entry.line), entry.name());
    let Some(key) = entry.known() else {
        let known: Vec<_> = KEYS.iter().map(|key| key.called(&entry.path)).collect();
        let wanted = entry.path.join(".");
        let nearest = nearest(&wanted, known.iter().map(String::as_str), 1);
        let nearest = nearest.first().map(|name| (*name).to_owned());
        let what = format!("unknown key `{name}`");
        return Some(Mistake { line, name: Some(name), what, nearest });
    };
    let error = toml::from_str::<Config>(&entry.alone()).err()?;
    let what = match key.kind {
        // The parser lists the words by itself.
        Kind::Choice(_) => format!("`{name}`: {}", error.message()),
        kind => format!("`{name}`: {} (expected: {})", error.message(), kind.said()),
    };
    Some(Mistake { line, name: Some(name), what, nearest: None })
}

/// What each of several tables lacks, unless a key of it is known to be a misspelling of that.
fn missing(entries: &[Entry], found: &[Mistake]) -> Vec<Mistake> {
    let mut tables = BTreeMap::new();
    for entry in entries {
        if let Some((table, at)) = entry.table() {
            tables.entry((table, at)).or_insert(entry.line);
        }
    }
    let lacks = |((table, at), line): (&(String, usize), &usize)| -> Vec<Mistake> {
        let prefix = format!("{}[{at}].", table.trim_end_matches("[]"));
        let is_there = |key: &Key| {
            let is_it = |entry: &Entry| entry.at == Some(*at) && key.is_called(&entry.path);
            let is_meant = |one: &Mistake| {
                one.nearest.as_deref() == Some(key.name)
                    && one.name.as_ref().is_some_and(|name| name.starts_with(&prefix))
            };
            entries.iter().any(is_it) || found.iter().any(is_meant)
        };
        let needed = KEYS.iter().filter(|key| key.table() == table && is_needed(key));
        let lacking = needed.filter(|key| !is_there(key)).map(|key| {
            let name = format!("{prefix}{}", key.last());
            let what = format!("`{name}` is missing");
            Mistake { line: Some(*line), name: Some(name), what, nearest: None }
        });
        lacking.collect()
    };
    tables.iter().flat_map(lacks).collect()
}

/// Whether one of several tables cannot be read without this key of it.
pub(crate) fn is_needed(key: &Key) -> bool {
    let Some(table) = key.table().strip_suffix("[]") else { return false };
    let text = format!("[[{table}]]\n{}", others(key.table(), key.last()));
    toml::from_str::<Config>(&text).is_err()
}

/// The keys of one of several tables but one, as examples.
fn others(table: &str, but: &str) -> String {
    let others = KEYS.iter().filter(|one| one.table() == table && one.last() != but);
    others.map(|one| format!("{} = {}\n", one.last(), one.value())).collect()
}

/// What holds: of each key of the table, and of those that have names of the user's as far as
/// the file has such names. `variable` reads the environment.
pub(crate) fn settings(text: &str, variable: impl Fn(&str) -> bool) -> Vec<Setting> {
    let entries = entries(text).unwrap_or_default();
    let mut all = Vec::new();
    for key in KEYS {
        let said: Vec<_> = entries.iter().filter(|entry| key.is_called(&entry.path)).collect();
        all.extend(said.iter().map(|entry| Setting {
            name: entry.name(),
            value: Some(shown(key, &entry.value)),
            unit: key.unit,
            from: Origin::File,
            line: Some(entry.line),
        }));
        let is_one = !key.name.contains("[]") && !key.name.split('.').any(|part| part == NAME);
        if is_one && said.is_empty() {
            all.push(unsaid(key, &variable));
        }
    }
    all
}

fn unsaid(key: &Key, variable: &impl Fn(&str) -> bool) -> Setting {
    let is_set = match key.source {
        Source::File => false,
        Source::SecretVariables(names) => names.iter().any(|name| variable(name)),
    };
    let (value, from) = match is_set {
        true => (Some(NOT_SHOWN.to_owned()), Origin::Environment),
        false => (key.default.map(str::to_owned), Origin::Default),
    };
    Setting { name: key.name.to_owned(), value, unit: key.unit, from, line: None }
}

fn shown(key: &Key, value: &str) -> String {
    match key.source {
        Source::File => value.to_owned(),
        Source::SecretVariables(_) => NOT_SHOWN.to_owned(),
    }
}

/// What is different, a line each.
pub(crate) fn changes(before: &str, after: &str) -> Vec<String> {
    let none = |_: &str| false;
    let (before_settings, after_settings) = (settings(before, none), settings(after, none));
    let value = |all: &[Setting], key: &str| {
        let found = all.iter().find(|one| one.name == key);
        found.and_then(|one| one.value.clone()).unwrap_or_else(|| "unset".to_owned())
    };
    let mut keys: Vec<_> =
        before_settings.iter().chain(&after_settings).map(|one| &one.name).collect();
    keys.sort();
    keys.dedup();
    let changed = keys.into_iter().filter_map(|key| {
        let (old, new) = (value(&before_settings, key), value(&after_settings, key));
        (old != new).then(|| format!("{key}: {old} -> {new}"))
    });
    let mut lines: Vec<_> = changed.collect();
    lines.extend(secret_changes(before, after));
    lines
}

/// Of values that are not shown, only that they changed.
fn secret_changes(before: &str, after: &str) -> Vec<String> {
    let raw = |text: &str| -> BTreeMap<String, String> {
        let secret = |entry: &Entry| {
            entry.known().is_some_and(|key| matches!(key.source, Source::SecretVariables(_)))
        };
        let entries = entries(text).unwrap_or_default().into_iter().filter(secret);
        entries.map(|entry| (entry.name(), entry.value)).collect()
    };
    let (old, new) = (raw(before), raw(after));
    let is_other =
        |(name, value): &(&String, &String)| new.get(*name).is_some_and(|it| it != *value);
    old.iter().filter(is_other).map(|(name, _)| format!("{name} changed")).collect()
}

/// A file with every key, each as a comment.
pub(crate) fn template() -> String {
    let mut text = String::from(
        "# Configuration of countersign. Every key is optional; a line that begins with #\n\
         # shows the default, or an example where there is none.\n\
         # `countersign config check` finds mistakes, `countersign config show` prints what holds.\n",
    );
    let mut table = "";
    for key in KEYS {
        if key.table() != table {
            table = key.table();
            text.push_str(&match table.strip_suffix("[]") {
                Some(several) => format!("\n# [[{several}]]\n"),
                None => format!("\n# [{}]\n", table.replace("[]", "")),
            });
        }
        let unit = key.unit.map(|unit| format!(" ({unit})")).unwrap_or_default();
        let is_default = if key.default.is_some() { "" } else { "; example" };
        text.push_str(&format!(
            "# {}{unit}: {}{is_default}\n# {} = {}\n",
            key.meaning,
            key.kind.said(),
            key.last(),
            key.value()
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, String, Option<String>)> {
        let all = mistakes(text).into_iter();
        all.map(|one| (one.line.unwrap_or_default(), one.what, one.nearest)).collect()
    }

    #[test]
    fn every_mistake_has_its_line() {
        let text = "[sync]\nparalel = 3\npage_size = \"many\"\n\n[schedule]\nperiod = \"6\"\n\
            [schedule.prod]\nperiot = \"6h\"\n[[consumers]]\nnaem = \"x\"\n";
        let all = found(text);
        let places: Vec<_> = all.iter().map(|one| one.0).collect();
        assert_eq!(places, [2, 3, 6, 8, 10, 10, 10], "{all:?}");
        assert_eq!(all[0].2.as_deref(), Some("sync.parallel"));
        assert!(all[1].1.contains("expected: integer"), "{all:?}");
        assert!(all[2].1.contains("no span of time"), "{all:?}");
        assert_eq!(all[3].2.as_deref(), Some("schedule.prod.period"));
        assert_eq!(
            (all[4].1.as_str(), all[4].2.as_deref()),
            ("unknown key `consumers[1].naem`", Some("consumers[].name"))
        );
    }

    #[test]
    fn all_that_is_wrong_with_one_of_several_tables_is_found() {
        let text = "[[watch.webhooks]]\nname = \"a\"\nurl = 3\nescalation = \"no\"\n\n\
            [[watch.webhooks]]\nurl = \"https://hooks.example.com\"\n\n\
            [[consumers]]\nname = \"b\"\nkind = \"kubernets\"\n[consumers.kv]\ntimeout_seconds = \"x\"\n";
        let all = found(text);
        let places: Vec<_> = all.iter().map(|one| one.0).collect();
        assert_eq!(places, [2, 3, 4, 7, 7, 10, 11, 13], "{all:?}");
        for (at, word) in [
            (0, "`watch.webhooks[1].secret_file` is missing"),
            (1, "`watch.webhooks[1].url`: "),
            (2, "expected: true or false"),
            (3, "`watch.webhooks[2].name` is missing"),
            (5, "`consumers[1].credential` is missing"),
            (6, "kubernets"),
            (7, "`consumers[1].kv.timeout_seconds`"),
        ] {
            assert!(all[at].1.contains(word), "{word}: {all:?}");
        }
    }

    #[test]
    fn contradictions_are_found_where_they_stand() {
        let text = "[sync]\npage_size = 501\nparallel = 0\n[vault]\nkey_file = \"a\"\n\
            passphrase_file = \"b\"\n";
        let all = found(text);
        let places: Vec<_> = all.iter().map(|one| one.0).collect();
        assert_eq!(places, [2, 3, 5], "{all:?}");
    }

    #[test]
    fn what_is_no_toml_has_its_line() {
        assert_eq!(found("[sync]\nparallel = = 3\n")[0].0, 2);
        let all = found("[[watch.webhooks]]\nname = \"a\"\n");
        assert_eq!(all.len(), 2, "it lacks its address and its secret: {all:?}");
        assert_eq!(found("[[watch.webhooks]]\n").len(), 1, "an empty table is wrong as a whole");
    }

    #[test]
    fn a_secret_is_never_repeated() {
        let text = "[client]\nproxy = \"http://u:hush@proxy.example.com\"\nproxi = \"hush\"\n";
        let other = text.replace("hush", "hush-again");
        let shown = format!(
            "{:?}{:?}{:?}",
            mistakes(text),
            settings(text, |_| true),
            changes(text, &other)
        );
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("client.proxy changed"), "{shown}");
    }

    #[test]
    fn what_holds_says_where_it_comes_from() {
        let all = settings("[client]\nin_flight = 8\n[schedule.prod]\npaused = true\n", |_| true);
        let of = |key: &str| {
            let one = all.iter().find(|one| one.name == key).unwrap_or_else(|| panic!("{key}"));
            (one.value.as_deref(), one.from, one.line)
        };
        assert_eq!(of("client.in_flight"), (Some("8"), Origin::File, Some(2)));
        assert_eq!(of("sync.parallel"), (Some("12"), Origin::Default, None));
        assert_eq!(of("schedule.prod.paused"), (Some("true"), Origin::File, Some(4)));
        assert_eq!(of("client.proxy"), (Some(NOT_SHOWN), Origin::Environment, None));
        assert_eq!(of("watch.calendar"), (None, Origin::Default, None));
    }

    #[test]
    fn what_changed_is_said_with_both_values() {
        let changed =
            changes("[sync]\nparallel = 3\n", "[sync]\nparallel = 4\n[watch]\nevery = \"2h\"\n");
        assert_eq!(changed, ["sync.parallel: 3 -> 4", "watch.every: \"1h\" -> \"2h\""]);
        assert_eq!(changes("[sync]\nparallel = 12\n", ""), Vec::<String>::new());
    }

    #[test]
    fn the_commented_file_says_nothing_and_shows_everything() {
        let text = template();
        assert_eq!(mistakes(&text), []);
        assert_eq!(
            format!("{:?}", toml::from_str::<Config>(&text).unwrap()),
            format!("{:?}", Config::default())
        );
        for key in KEYS {
            assert!(text.contains(&format!("\n# {} = {}\n", key.last(), key.value())), "{key:?}");
        }
    }
}
