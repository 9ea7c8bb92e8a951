//! The crates and the arrows between them, as ARCHITECTURE.md draws them. A
//! new arrow is a design change: it goes into the drawing and in here first.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Crate, layer, and the crates of ours that it may use.
const TABLE: &[(&str, u8, &[&str])] = &[
    ("text", 0, &[]),
    ("files", 1, &["text"]),
    ("signing", 1, &[]),
    ("wire", 1, &["text"]),
    ("findings", 1, &["wire"]),
    ("client", 2, &["signing", "text", "wire"]),
    ("vault", 2, &["files", "signing", "text"]),
    ("store", 2, &["files", "findings"]),
    ("web", 2, &["files"]),
    ("signin", 2, &[]),
    ("formats", 2, &["findings", "text"]),
    (
        "connector",
        3,
        &["files", "client", "vault", "store", "findings", "formats", "signing", "text", "wire"],
    ),
    ("tenant", 3, &["files", "signing", "text", "wire", "vault", "signin"]),
    (
        "dashboard",
        5,
        &[
            "files",
            "signin",
            "web",
            "connector",
            "deliveries",
            "findings",
            "formats",
            "store",
            "text",
        ],
    ),
    ("deliveries", 4, &["connector", "files", "findings", "formats", "store", "text"]),
    ("api", 5, &["files", "web", "connector", "findings", "formats", "store", "text"]),
    ("broker", 5, &["web", "client", "store"]),
    ("platform", 5, &["files", "signing", "text", "wire", "signin", "tenant", "web"]),
    (
        "cli",
        6,
        &[
            "signin",
            "api",
            "broker",
            "client",
            "connector",
            "dashboard",
            "deliveries",
            "files",
            "findings",
            "formats",
            "platform",
            "signing",
            "store",
            "text",
            "vault",
            "web",
            "wire",
        ],
    ),
    (
        "testkit",
        7,
        &[
            "client",
            "connector",
            "findings",
            "platform",
            "signing",
            "store",
            "vault",
            "web",
            "wire",
        ],
    ),
    ("bench", 7, &["deliveries", "findings", "formats", "signing", "store"]),
];

/// Crates of others that a crate of ours must never reach directly, and why.
const NEVER: &[(&str, &[&str])] = &[
    ("files", &["tokio", "rusqlite", "reqwest", "serde", "getrandom", "rand"]),
    ("text", &["tokio", "rusqlite", "reqwest", "axum", "getrandom", "jiff"]),
    ("signing", &["tokio", "getrandom", "rand", "reqwest", "rusqlite", "jiff"]),
    ("wire", &["tokio", "rusqlite", "reqwest", "jiff", "countersign-signing"]),
    ("findings", &["tokio", "rusqlite", "reqwest", "getrandom"]),
    ("client", &["rusqlite", "axum", "getrandom"]),
    // HTTP is for a secret store, never for the service's REST API: without `wire` and
    // `client` there is nothing to speak it with.
    ("vault", &["rusqlite", "tokio", "getrandom", "countersign-wire", "countersign-client"]),
    ("web", &["rusqlite", "reqwest", "getrandom", "rand", "clap"]),
    ("signin", &["reqwest", "axum", "hyper", "http", "tokio", "getrandom", "rand"]),
    ("tenant", &["reqwest", "axum", "hyper", "http", "tokio", "clap", "getrandom", "rand"]),
    ("formats", &["tokio", "rusqlite", "reqwest", "axum", "getrandom", "countersign-wire"]),
    ("store", &["reqwest", "axum", "countersign-wire", "countersign-signing", "getrandom"]),
    ("connector", &["axum", "clap", "rusqlite", "reqwest", "getrandom"]),
    (
        "dashboard",
        // `rusqlite` is for its people alone, as a test below asserts.
        &["reqwest", "clap", "getrandom", "countersign-platform", "countersign-vault"],
    ),
    (
        "api",
        &[
            "rusqlite",
            "reqwest",
            "clap",
            "getrandom",
            "rand",
            "countersign-vault",
            "countersign-client",
            "countersign-platform",
        ],
    ),
    ("broker", &["rusqlite", "reqwest", "clap", "getrandom"]),
    // Its receivers speak HTTP themselves, to places that are not the service.
    ("deliveries", &["axum", "hyper", "clap", "rusqlite", "getrandom", "rand"]),
    ("platform", &["rusqlite", "reqwest", "clap", "getrandom"]),
];

fn normal_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".into()])
        .exec()
        .expect("cargo metadata reads the workspace");
    metadata
        .packages
        .iter()
        .map(|package| {
            let folder = package.manifest_path.parent().and_then(|path| path.file_name());
            let name = folder.expect("a manifest has a folder").to_owned();
            let expected = if name == "cli" {
                "countersign".to_owned()
            } else {
                format!("countersign-{name}")
            };
            assert_eq!(package.name.as_str(), expected, "folder and crate are named alike");
            let uses = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal)
                .map(|dependency| dependency.name.clone())
                .collect();
            (name, uses)
        })
        .collect()
}

#[test]
fn the_arrows_are_the_drawn_ones() {
    let actual = normal_dependencies();
    let drawn: BTreeSet<_> = TABLE.iter().map(|(name, ..)| name.to_string()).collect();
    assert_eq!(actual.keys().cloned().collect::<BTreeSet<_>>(), drawn, "crates");
    for (name, layer, may_use) in TABLE {
        for used in actual[*name].iter().filter_map(|name| name.strip_prefix("countersign-")) {
            assert!(may_use.contains(&used), "`{name}` must not use `{used}`");
            let used_layer = TABLE.iter().find(|(other, ..)| *other == used).map(|row| row.1);
            assert!(
                used_layer < Some(*layer) || (*name, used) == ("findings", "wire"),
                "the arrow `{name}` -> `{used}` points up"
            );
        }
    }
}

#[test]
fn the_drawing_allows_no_arrow_up() {
    for (name, layer, may_use) in TABLE {
        for used in *may_use {
            let row = TABLE.iter().find(|(other, ..)| other == used);
            let used_layer = row.expect("the table names only crates that it has").1;
            assert!(used_layer < *layer || (*name, *used) == ("findings", "wire"));
        }
    }
}

#[test]
fn nothing_reaches_what_it_must_never_see() {
    let actual = normal_dependencies();
    for (name, never) in NEVER {
        for banned in *never {
            assert!(!actual[*name].contains(*banned), "`{name}` must never use `{banned}`");
        }
    }
}

#[test]
fn the_test_kit_is_never_a_normal_dependency() {
    for (name, uses) in normal_dependencies() {
        assert!(!uses.contains("countersign-testkit"), "`{name}` uses the test kit");
    }
}

/// Where SQL belongs: crates, the people of the dashboard, and the servers that tests start.
const SQL: &[&str] = &[
    "signin/src/",
    "store/src/",
    "tenant/src/",
    "dashboard/src/people",
    "testkit/src/failover.rs",
];

#[test]
fn sql_is_where_it_belongs() {
    let mut unused: BTreeSet<_> = SQL.iter().collect();
    for (path, text) in sources() {
        if text.contains("rusqlite") || has_statement(&text) {
            let place = SQL.iter().find(|place| path.starts_with(**place));
            unused.remove(place.unwrap_or_else(|| panic!("{path} has SQL")));
        }
    }
    assert!(unused.is_empty(), "no SQL is left in {unused:?}");
}

/// The broker knows the store by what `store::broker` offers: its callers and its log.
#[test]
fn the_broker_sees_its_own_tables_alone() {
    let all = sources();
    let (_, offers) = all.iter().find(|(path, _)| path == "store/src/broker.rs").expect("it");
    let mut asked = BTreeSet::new();
    for (path, text) in all.iter().filter(|(path, _)| path.starts_with("broker/src/")) {
        for used in text.split("store.").skip(1).filter_map(|rest| rest.split_once('(')) {
            let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
            if used.0.chars().all(is_name) && used.0 != "clone" {
                let offer = format!("pub async fn {}(", used.0);
                assert!(offers.contains(&offer), "{path} asks the store for `{}`", used.0);
                asked.insert(used.0);
            }
        }
    }
    assert!(!asked.is_empty(), "the broker asks for nothing any more");
}

/// Whether a literal begins as a statement of SQL does.
fn has_statement(text: &str) -> bool {
    const BEGINNINGS: &[&str] =
        &["select ", "insert ", "update ", "delete from ", "pragma ", "create table "];
    text.split('"').skip(1).any(|literal| {
        let literal = literal.trim_start().to_ascii_lowercase();
        BEGINNINGS.iter().any(|beginning| literal.starts_with(beginning))
    })
}

/// Every source file of every crate, by its path from `crates/` on.
fn sources() -> Vec<(String, String)> {
    let crates = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut folders: Vec<_> = std::fs::read_dir(crates)
        .expect("the crates")
        .flatten()
        .map(|entry| entry.path().join("src"))
        .collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                let name = path.strip_prefix(crates).expect("a path below").display().to_string();
                sources.push((name, text));
            }
        }
    }
    sources
}

/// The lints of the workspace forbid `unsafe`, and every crate takes them.
#[test]
fn no_crate_is_unsafe() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}")).expect("a manifest");
    assert!(read("Cargo.toml").contains("\nunsafe_code = \"forbid\"\n"));
    for (name, ..) in TABLE {
        if *name == "bench" {
            // It may read clocks.
            let manifest = read("bench/Cargo.toml");
            assert!(manifest.contains("\n[lints.rust]\nunsafe_code = \"forbid\"\n"), "{name}");
            continue;
        }
        let manifest = read(&format!("crates/{name}/Cargo.toml"));
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{name}");
    }
}
