//! Reads our own sources: no type that can hold a secret is left out of `shown`, and
//! none with text or bytes that are one shows itself by a derived `Debug`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::shown::{OPAQUE, SHOWN};

/// Whose public types others hold in their hands.
const CRATES: &[&str] = &[
    "text",
    "files",
    "signing",
    "wire",
    "vault",
    "client",
    "web",
    "signin",
    "connector",
    "tenant",
    "dashboard",
    "broker",
    "platform",
];

/// What a secret is kept in.
const ROOTS: &[&str] =
    &["ApiSecret", "MasterKey", "SigningKey", "Zeroizing", "SecretText", "Secret"];

/// Public types that name a holder and hold no secret that `Debug` could reach.
const HARMLESS: &[(&str, &str)] = &[
    ("client::Pages", "no `Debug`, and its answers are lists"),
    ("files::Secrecy", "words only"),
    ("web::BodyError", "words only"),
    ("web::Face", "words, and a digest that is not shown"),
    ("web::ListenError", "sentences, and names of files"),
    ("web::Scrapers", "a digest, which is not shown"),
    ("connector::CompleteExport", "numbers, and a filter that was typed"),
    ("connector::CredentialGauge", "words only"),
    ("connector::Diagnosis", "sentences for people"),
    ("connector::Ended", "sentences for people"),
    ("connector::Fresh", "numbers and words; its `Lack` shares a name with a private type"),
    ("connector::Scheduler", "a private type shares a name with one that it holds"),
    ("tenant::Filter", "what lists are narrowed by; a private type shares its name"),
    ("connector::Keeper", "no `Debug`; its store may know the password of a database"),
    ("connector::Error", "sentences; its `Fault` shares a name with a private type"),
    ("connector::Event", "ids and versions; its `Held` shares a name with a private type"),
    ("connector::Fault", "words only"),
    ("connector::Finished", "names and times"),
    ("connector::Held", "an id and a version; a private type has the same name"),
    ("connector::Journal", "ids and versions"),
    ("connector::Live", "ids and versions"),
    ("connector::Named", "stored findings"),
    ("connector::Need", "words only"),
    ("connector::Plan", "positions and guids"),
    ("connector::Row", "what a list prints"),
    ("connector::Saving", "words only"),
    ("connector::Standing", "words only"),
    ("connector::State", "words, and sentences for people"),
    ("connector::SharedBudget", "no `Debug`; its store may know the password of a database"),
    ("connector::Step", "words only"),
    ("connector::Subject", "ids of rows"),
    ("connector::Trouble", "sentences for people"),
    ("dashboard::Dashboard", "no `Debug`"),
    ("dashboard::Listed", "what a list prints"),
    ("dashboard::Person", "a name and a role"),
    ("dashboard::Role", "words only; `Reader` is also an extractor"),
    ("platform::Error", "sentences, and errors of the vault"),
    ("signin::Error", "sentences; `Database` is also a type of the tenant"),
    ("signin::Refusal", "sentences"),
    ("tenant::Act", "who, and from which address"),
    ("tenant::By", "names and addresses"),
    ("tenant::Change", "no `Debug`"),
    ("tenant::Mfa", "words only"),
    ("tenant::Minted", "no `Debug`"),
    ("tenant::Settings", "switches and numbers"),
    ("tenant::Signatory", "no `Debug`"),
    ("tenant::Tenant", "no `Debug`"),
    ("tenant::View", "no `Debug`"),
    ("vault::Entry", "what can be read without the key"),
    ("vault::Error", "sentences"),
    ("vault::Kind", "words only"),
];

/// Crates whose types only these see: their names say nothing of types elsewhere.
const SEEN_BY: &[(&str, &[&str])] = &[("deliveries", &["cli", "dashboard"])];

/// Fields that are called like a secret and are none, in types with a derived `Debug`.
const NO_SECRETS: &[(&str, &str)] = &[
    ("cli::CallerConfig.token_sha256", "the digest of a random token"),
    ("cli::ConsumerConfig.secret_name", "the name of a variable"),
    ("cli::KvTable.secret_id_env", "the name of a variable"),
    ("cli::KvTable.token_env", "the name of a variable"),
    ("connector::Names.secret", "the name of a variable"),
    ("cli::DestinationConfig.secret", "the name of an entry of the vault"),
    ("deliveries::Answer.body", "what a receiver answered"),
    ("deliveries::Parcel.body", "findings, as they are sent"),
    ("platform::Act.body", "what a tester lets the platform answer"),
    ("platform::Complaint.code", "a word of the service"),
    ("platform::Refusal.body", "the answer of a refusal"),
    ("vault::KvConfig.keys", "what the keys of the configuration are called"),
    ("broker::Refusal.code", "a word of a list"),
    ("wire::ApiError.code", "a word of the service"),
    ("wire::ErrorBody.code", "a word of the service"),
    ("wire::FlawError.code", "a word of the service"),
    ("wire::SentRequest.body", "what a dynamic scan sent to the scanned application"),
];

/// How files and folders are made, changed and read by hand.
const BY_HAND: &[&str] = &[
    "OpenOptions",
    "File::create",
    "File::open",
    "File::options",
    "DirBuilder",
    "create_dir",
    "fs::write",
    "fs::read(",
    "fs::read_to_string",
    "fs::rename",
    "fs::copy",
    "hard_link",
    "symlink(",
    "set_permissions",
];

/// Who may all the same, and why.
const BY_OWN_HAND: &[(&str, &str, &str)] = &[
    ("cli/src/commands/control.rs", "fs::read(", "data of a tester: a plan, a page"),
    ("cli/src/commands/env.rs", "File::open", "the terminal"),
    ("cli/src/commands/http.rs", "File::open", "the body of a request, wherever it is"),
    ("cli/src/commands/own.rs", "create_dir", "a folder that everybody enters, for man pages"),
    ("cli/src/output/zone.rs", "File::open", "the zone of this machine, no more than 64 KiB"),
    ("web/src/socket.rs", "set_permissions", "a socket, in a closed folder"),
];

/// A struct or an enum as it is written down.
struct Type {
    krate: String,
    name: String,
    is_public: bool,
    derives_debug: bool,
    /// Between its brackets.
    body: String,
}

impl Type {
    fn path(&self) -> String {
        format!("{}::{}", self.krate, self.name)
    }

    /// Field and type of each field, those of variants included.
    fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.body.lines().filter_map(|line| {
            let line =
                line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
            let (name, kind) = line.trim_start_matches("pub ").split_once(": ")?;
            let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            is_name.then_some((name, kind.trim_end_matches(',')))
        })
    }
}

/// All types of all crates.
fn types() -> Vec<Type> {
    let mut types = Vec::new();
    for source in sources() {
        types_in(&source.krate, &source.text, &mut types);
    }
    types
}

struct Source {
    krate: String,
    /// From the folder of the crates on.
    path: String,
    /// Without the tests in it.
    text: String,
}

/// Every file of every crate but the test kit.
fn sources() -> Vec<Source> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = Vec::new();
    for krate in std::fs::read_dir(crates).unwrap() {
        let krate = krate.unwrap();
        let name = krate.file_name().into_string().unwrap();
        if name == "testkit" {
            continue;
        }
        let mut files = vec![krate.path().join("src")];
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
                let path = path.strip_prefix(crates).unwrap().display().to_string();
                sources.push(Source { krate: name.clone(), path, text });
            }
        }
    }
    sources
}

fn types_in(krate: &str, text: &str, types: &mut Vec<Type>) {
    let mut attributes = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed.starts_with("//") {
            continue;
        }
        if trimmed.starts_with("#[") {
            attributes.push_str(trimmed);
            continue;
        }
        let visible = ["pub(crate) ", "pub(super) ", "pub "];
        let bare = visible.iter().find_map(|word| trimmed.strip_prefix(word)).unwrap_or(trimmed);
        let named = bare.strip_prefix("struct ").or_else(|| bare.strip_prefix("enum "));
        if let Some(named) = named {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = named.split(|c| !word(c)).next().unwrap().to_owned();
            let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
            let mut body = bare.to_owned();
            if !trimmed.ends_with(';') && !trimmed.ends_with('}') {
                for line in lines.by_ref().take_while(|line| *line != end) {
                    if !line.trim().starts_with("//") {
                        body.push('\n');
                        body.push_str(line);
                    }
                }
            }
            types.push(Type {
                krate: krate.to_owned(),
                name,
                is_public: trimmed.starts_with("pub "),
                derives_debug: attributes.contains("derive(") && attributes.contains("Debug"),
                body,
            });
        }
        attributes.clear();
    }
}

/// Crate and name of every type that holds a secret, in however many steps.
fn holders(types: &[Type]) -> BTreeSet<(&str, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut named: BTreeMap<&str, Vec<&Type>> = BTreeMap::new();
    for one in types {
        named.entry(&one.name).or_default().push(one);
    }
    // Each type with the types that it names: its crate's own, or those of others that it sees.
    let reached = |one: &Type, word: &str| {
        let all = named.get(word).map(Vec::as_slice).unwrap_or_default();
        let own: Vec<_> = all.iter().filter(|other| other.krate == one.krate).copied().collect();
        let is_seen = |other: &&&Type| {
            let by = SEEN_BY.iter().find(|(krate, _)| *krate == other.krate);
            other.is_public && by.is_none_or(|(_, by)| by.contains(&&*one.krate))
        };
        match own.is_empty() {
            true => all.iter().filter(is_seen).copied().collect(),
            false => own,
        }
    };
    let mut holders = BTreeSet::new();
    let mut names: Vec<(&Type, Vec<&Type>)> = Vec::new();
    for one in types {
        let words: BTreeSet<_> = one.body.split(|c| !is_word(c)).collect();
        if words.iter().any(|word| ROOTS.contains(word)) {
            holders.insert((&*one.krate, &*one.name));
        }
        names.push((one, words.iter().flat_map(|word| reached(one, word)).collect()));
    }
    loop {
        let further: Vec<_> = names
            .iter()
            .filter(|(one, _)| !holders.contains(&(&*one.krate, &*one.name)))
            .filter(|(_, of)| of.iter().any(|it| holders.contains(&(&*it.krate, &*it.name))))
            .map(|(one, _)| (&*one.krate, &*one.name))
            .collect();
        if further.is_empty() {
            return holders;
        }
        holders.extend(further);
    }
}

#[test]
fn every_public_type_that_can_hold_a_secret_is_looked_at() {
    let types = types();
    assert!(types.len() > 300, "only {} types were read", types.len());
    let holders = holders(&types);
    let mut forgotten = Vec::new();
    for one in
        types.iter().filter(|one| one.is_public && holders.contains(&(&*one.krate, &*one.name)))
    {
        let path = one.path();
        let is_known = SHOWN.contains(&&*path)
            || OPAQUE.contains(&&*path)
            || HARMLESS.iter().any(|(name, _)| *name == path);
        if CRATES.contains(&&*one.krate) && !is_known {
            forgotten.push(path);
        }
    }
    assert!(forgotten.is_empty(), "add them to `shown`, or to HARMLESS: {forgotten:#?}");
}

/// Each receiver names its settings as the others do, so what holds what is not told by names
/// there. What is made with a secret shows nothing at all.
#[test]
fn what_delivers_with_a_secret_does_not_show_itself() {
    let types = types();
    let holds = |one: &&Type| {
        one.krate == "deliveries" && ["Zeroizing", "Access"].iter().any(|it| one.body.contains(it))
    };
    let holders: Vec<_> = types.iter().filter(holds).collect();
    assert!(holders.len() > 8, "only {} hold a secret", holders.len());
    let shown: Vec<_> =
        holders.iter().filter(|one| one.derives_debug).map(|one| one.path()).collect();
    assert!(shown.is_empty(), "{shown:?}");
}

/// Whether a type can be a secret in the clear; `Zeroizing` shows nothing.
fn is_clear(kind: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut words = kind.split(|c| !is_word(c));
    let is_text = words.any(|word| ["String", "str", "Bytes", "Url"].contains(&word));
    let is_bytes = kind.contains("Vec<u8>") || kind.contains("[u8");
    !kind.contains("Zeroizing<") && (is_text || is_bytes)
}

fn sounds_secret(name: &str) -> bool {
    ["secret", "token", "passw", "passphrase", "key", "bearer", "cookie", "proxy", "body", "code"]
        .iter()
        .any(|word| name.contains(word))
}

#[test]
fn nothing_in_the_clear_is_shown_by_a_derived_debug() {
    let mut wrong = Vec::new();
    for one in types().iter().filter(|one| one.derives_debug) {
        for (name, kind) in one.fields() {
            let place = format!("{}.{name}", one.path());
            let is_allowed = NO_SECRETS.iter().any(|(allowed, _)| *allowed == place);
            if !is_allowed && sounds_secret(name) && is_clear(kind) {
                wrong.push(format!("{place}: {kind}"));
            }
        }
    }
    assert!(wrong.is_empty(), "write their `Debug` by hand: {wrong:#?}");
}

/// What other users could have written to or swapped is found out in one place, so that
/// place must see every file.
#[test]
fn files_are_made_and_read_in_one_place() {
    let mut found = Vec::new();
    for Source { krate, path, text } in sources() {
        let is_named = |way: &str| {
            let mut before = text.match_indices(way).map(|(at, _)| text[..at].chars().next_back());
            before.any(|c| !c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_'))
        };
        for way in BY_HAND.iter().filter(|way| krate != "files" && is_named(way)) {
            found.push((path.clone(), *way));
        }
    }
    let is_excused = |path: &str, way: &str| {
        BY_OWN_HAND.iter().any(|(excused, by, _)| *excused == path && *by == way)
    };
    let by_hand: Vec<_> = found.iter().filter(|(path, way)| !is_excused(path, way)).collect();
    assert!(by_hand.is_empty(), "use `countersign_files`: {by_hand:#?}");
    for (path, way, why) in BY_OWN_HAND {
        assert!(found.iter().any(|one| one.0 == *path && one.1 == *way), "{path} ({why}) is gone");
    }
}

#[test]
fn what_is_excused_is_there() {
    let types = types();
    for (name, why) in HARMLESS {
        assert!(types.iter().any(|one| one.path() == *name), "{name} ({why}) is gone");
    }
    for (name, why) in NO_SECRETS {
        let is_there = types.iter().any(|one| {
            one.derives_debug
                && one.fields().any(|(field, _)| format!("{}.{field}", one.path()) == *name)
        });
        assert!(is_there, "{name} ({why}) is gone");
    }
}

#[test]
fn a_careless_type_is_seen() {
    let mut types = Vec::new();
    let text = "/// It.\n#[derive(Debug, Clone)]\npub struct Careless {\n    /// Of it.\n    \
                pub(crate) token: Option<String>,\n    kept: ApiSecret,\n}\n\nfn f() {}\nenum Other { A }\n";
    types_in("x", text, &mut types);
    let (careless, other) = (&types[0], &types[1]);
    assert!(careless.derives_debug && careless.is_public && !other.derives_debug);
    let fields: Vec<_> = careless.fields().collect();
    assert_eq!(fields, [("token", "Option<String>"), ("kept", "ApiSecret")]);
    assert!(sounds_secret("token") && is_clear("Option<String>") && is_clear("[u8; 32]"));
    assert!(!is_clear("Option<ProxyUrl>") && !is_clear("Zeroizing<String>"));
    assert_eq!(holders(&types), BTreeSet::from([("x", "Careless")]));
}
