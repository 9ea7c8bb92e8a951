//! A tenant in which every act can be done, and what can be seen of one.

use std::collections::{BTreeMap, BTreeSet};

use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::{Answer, TestPlatform};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};

use crate::administration::shown_pair;
use crate::browser::Browser;
use crate::console::{activate, admin, newest_link};

pub(super) const DANA: &str = "dana@example.com";

/// Doors by which an account changes itself.
const OWN: &[&str] = &[
    "PUT /api/authn/v2/users/self",
    "POST /api/authn/v2/api_credentials",
    "DELETE /api/authn/v2/api_credentials",
    "POST /api/authn/v2/oauth_clients",
    "console /credentials",
    "console /credentials/{id}/revoke",
    "console /profile/address",
];

/// Who acts by REST.
pub(super) const BOSS: &str = "boss";
pub(super) const ADMIN: &str = "admin@example.com";

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) act: String,
    pub(super) target: String,
    pub(super) actor: String,
    pub(super) address: String,
}

/// What an act left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) entries: Vec<Entry>,
    /// Kind and recipient.
    pub(super) letters: Vec<(String, String)>,
    /// Sessions of each account that are no longer there.
    pub(super) ended: BTreeMap<i64, i64>,
    /// Rows that are gone and rows that are new, by table.
    pub(super) rows: BTreeMap<String, [BTreeSet<String>; 2]>,
}

impl Seen {
    /// What there is of it where another account is concerned: what was noted, who was told
    /// of what, how many sessions ended, how many rows of which tables changed.
    pub(super) fn outline(&self) -> Vec<String> {
        let mut outline: Vec<_> = self.entries.iter().map(|entry| entry.act.clone()).collect();
        outline.extend(self.letters.iter().map(|(kind, _)| format!("letter {kind}")));
        outline.extend(self.ended.values().map(|count| format!("{count} sessions ended")));
        outline.extend(self.rows.iter().map(|(table, [gone, new])| {
            format!("{table}: {} gone, {} new", gone.len(), new.len())
        }));
        outline
    }

    /// With the entries of this actor alone.
    pub(super) fn by(mut self, actor: &str) -> Self {
        self.entries.retain(|entry| entry.actor == actor);
        self
    }

    /// Without what differs because another acts through another door.
    pub(super) fn without_actor(mut self, actor: &str) -> Self {
        for entry in &mut self.entries {
            entry.actor.clear();
            entry.address.clear();
            // The id of new credentials is drawn.
            if entry.target.len() == 32 && entry.target.bytes().all(|b| b.is_ascii_hexdigit()) {
                entry.target = "(id)".into();
            }
        }
        let by = format!("revoked_by={actor}");
        for rows in self.rows.values_mut() {
            for side in rows {
                *side = side.iter().map(|row| row.replace(&by, "revoked_by=(actor)")).collect();
            }
        }
        self
    }
}

/// The database at one moment; the default is before anything was there.
#[derive(Default)]
pub(super) struct Moment {
    entries: i64,
    letters: i64,
    sessions: BTreeMap<i64, i64>,
    rows: BTreeMap<String, BTreeSet<String>>,
}

pub(super) struct World {
    /// Leaked for the browsers, which borrow it for as long as a test runs.
    pub(super) test: &'static TestPlatform,
    pub(super) boss: Pair,
    pub(super) admin: Browser<'static>,
    /// A person with a second factor, who is signed in.
    pub(super) dana: Browser<'static>,
    pub(super) dana_id: String,
    pub(super) dana_pair: Pair,
    pub(super) dana_client: String,
    /// An API account with credentials and an OAuth client, as Dana has them.
    pub(super) reader: Pair,
    pub(super) reader_id: String,
    pub(super) reader_client: String,
    pub(super) team_id: String,
    pub(super) unit_id: String,
    pub(super) role_id: String,
    pub(super) application_id: String,
}

impl World {
    pub(super) async fn new() -> Self {
        let seed = SeedSpec::Sized { applications: 2, findings: 60, rng: 1 };
        let test = TestPlatform::start_with(seed, |config| {
            config.console = Some(([127, 0, 0, 1], 0).into());
            config.control = Some(([127, 0, 0, 1], 0).into());
        })
        .await;
        let test: &'static TestPlatform = Box::leak(Box::new(test));
        let roles = [
            "adminapi",
            "uploadapi",
            "apisubmitanyscan",
            "resultsapi",
            "mitigationapi",
            "collectionManagerAPI",
            "reportingApi",
            "noteamrestrictionapi",
        ];
        let boss = test.mint(BOSS, &roles).pair;
        let reader = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
        let mut admin = admin(test).await;
        let person = json!({"user_name": "dana@example.com", "email_address": "dana@example.com",
            "first_name": "Dana", "last_name": "Example", "pin_required": true,
            "roles": [{"role_name": "extreviewer"}]});
        let dana_id = made(test, &boss, "/api/authn/v2/users", &person).await;
        let link = newest_link(&mut admin).await;
        let mut dana = Browser::new(test);
        activate(&mut dana, test, &link).await;
        let team = json!({"team_name": "Crew", "users": []});
        let unit = json!({"bu_name": "Unit", "teams": []});
        let role = json!({"role_name": "scribe", "role_description": "Scribe",
            "permissions": [{"permission_name": "viewResults"}]});
        let client = json!({"name": "robot"});
        let clients = "/api/authn/v2/oauth_clients";
        let reader_client = created(test, &reader.pair, clients, &client).await;
        let page = dana.get("/credentials").await;
        let dana_pair = shown_pair(&dana.send(&page, "/credentials", &[("kind", "hmac")]).await);
        let dana_client = created(test, &dana_pair, clients, &client).await;
        Self {
            dana_id: text(&dana_id, "user_id"),
            team_id: text(&made(test, &boss, "/api/authn/v2/teams", &team).await, "team_id"),
            unit_id: text(&made(test, &boss, "/api/authn/v2/business_units", &unit).await, "bu_id"),
            role_id: text(&made(test, &boss, "/api/authn/v2/roles", &role).await, "role_id"),
            reader_client: text(&reader_client, "client_id"),
            dana_client: text(&dana_client, "client_id"),
            dana_pair,
            application_id: application(test, &boss).await,
            reader_id: reader.user_id,
            reader: reader.pair,
            boss,
            admin,
            dana,
            test,
        }
    }

    /// Who acts through a door.
    pub(super) fn actor(&self, door: &str) -> String {
        match door {
            _ if OWN.contains(&door) => DANA,
            _ if door.starts_with("console ") => ADMIN,
            _ if door.starts_with("control ") => "(test controls)",
            "command platform mint" => "(command line)",
            "command platform serve" => "(platform)",
            _ => BOSS,
        }
        .to_owned()
    }

    /// The account that an act is about.
    pub(super) fn subject(door: &str, act: &str) -> &'static str {
        let is_of_credentials = act.starts_with("credentials.") || act.starts_with("client.");
        if is_of_credentials && !OWN.contains(&door) { "reader" } else { DANA }
    }

    pub(super) fn address(door: &str) -> &'static str {
        if door.starts_with("command ") { "" } else { "127.0.0.1" }
    }

    /// A signed call by REST that has to work.
    pub(super) async fn call(&self, pair: &Pair, method: &str, target: &str, body: &Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.test.call(pair, method, target, &body).await;
        let shown = String::from_utf8_lossy(&answer.body).into_owned();
        assert!((200..300).contains(&answer.status), "{method} {target}: {shown}");
    }

    pub(super) async fn boss(&self, method: &str, target: &str, body: &Value) {
        self.call(&self.boss, method, target, body).await;
    }

    /// A form of the console by the administrator, from the page that has it.
    pub(super) async fn form(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) {
        form(&mut self.admin, page, action, fields).await;
    }

    pub(super) async fn form_of_dana(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) {
        form(&mut self.dana, page, action, fields).await;
    }

    /// A form without a page that has it: its token is the session's.
    pub(super) async fn post(&mut self, action: &str, fields: &str) {
        let token = self.admin.get("/credentials").await.field("token");
        let page = self.admin.post(action, &format!("token={token}&{fields}"), &[]).await;
        assert_eq!(page.status, 200, "{action}: {}", page.body);
    }

    pub(super) fn now(&self) -> Moment {
        let connection = self.database();
        let tables = "select name from sqlite_schema where type = 'table'";
        let tables = texts(&connection, tables);
        let kept = |name: &String| {
            !name.starts_with("signin_") && !name.starts_with("sqlite_") && name != "outbox"
        };
        let rows = tables
            .into_iter()
            .filter(kept)
            .map(|table| {
                let rows = rows_of(&connection, &table);
                (table, rows)
            })
            .collect();
        Moment {
            entries: number(&connection, "select coalesce(max(id), 0) from signin_audit"),
            letters: number(&connection, "select coalesce(max(id), 0) from outbox"),
            sessions: sessions(&connection),
            rows,
        }
    }

    /// What changed since then.
    pub(super) fn since(&self, before: &Moment) -> Seen {
        let after = self.now();
        let connection = self.database();
        let entry = |row: &rusqlite::Row<'_>| {
            let [act, target, actor, address] = [0, 1, 2, 3].map(|at| row.get(at));
            Ok(Entry { act: act?, target: target?, actor: actor?, address: address? })
        };
        let letters = "select kind, recipient from outbox where id > ? order by id";
        let entries = "select act, target, actor, address from signin_audit
            where id > ? order by id";
        let mut rows = BTreeMap::new();
        for (table, now) in &after.rows {
            let then = before.rows.get(table).cloned().unwrap_or_default();
            let gone: BTreeSet<_> = then.difference(now).cloned().collect();
            let new: BTreeSet<_> = now.difference(&then).cloned().collect();
            if !gone.is_empty() || !new.is_empty() {
                rows.insert(table.clone(), [gone, new]);
            }
        }
        let ended = before.sessions.iter().filter_map(|(person, count)| {
            let left = after.sessions.get(person).copied().unwrap_or_default();
            (left < *count).then_some((*person, count - left))
        });
        Seen {
            entries: list(&connection, entries, before.entries, entry),
            letters: list(&connection, letters, before.letters, |row| {
                Ok((row.get(0)?, row.get(1)?))
            }),
            ended: ended.collect(),
            rows,
        }
    }

    /// Puts a copy of what was found in the policy context into a sandbox.
    pub(super) fn copy_findings_into(&self, sandbox: &str) {
        let database = self.database();
        let sql = "create temp table copied as select f.* from findings f
            join applications a on a.id = f.application
            where a.guid = ?1 and f.sandbox = 0 and f.is_sca = 0 limit 3";
        database.execute(sql, [&self.application_id]).expect("copies");
        let sql = "update copied set id = null,
            sandbox = (select id from sandboxes where guid = ?1)";
        database.execute(sql, [sandbox]).expect("a sandbox");
        database.execute("insert into findings select * from copied", []).expect("rows");
    }

    fn database(&self) -> Connection {
        Connection::open(self.test.home.path().join("platform.sqlite")).expect("a database")
    }

    /// The numeric id that older APIs have for an account.
    pub(super) fn legacy_id(&self, user_id: &str) -> i64 {
        let sql = format!("select id from users where guid = '{user_id}'");
        40_000 + number(&self.database(), &sql)
    }

    /// A static finding of the application that can be annotated.
    pub(super) fn issue(&self) -> i64 {
        let sql = format!(
            "select ordinal from findings where is_sca = 0 and sandbox = 0 and application =
                (select id from applications where guid = '{}') order by ordinal limit 1",
            self.application_id
        );
        number(&self.database(), &sql)
    }

    /// A component of the application and a vulnerability of it.
    pub(super) fn component(&self) -> (String, String) {
        let sql = format!(
            "select replace(details, char(1), '') ->> 'component_id', cve from findings
             where is_sca = 1 and cve is not null and application =
                (select id from applications where guid = '{}') limit 1",
            self.application_id
        );
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.database().query_row(&sql, [], read).expect("a component")
    }
}

async fn form(browser: &mut Browser<'_>, page: &str, action: &str, fields: &[(&str, &str)]) {
    let page = browser.get(page).await;
    let answer = browser.send(&page, action, fields).await;
    assert_eq!(answer.status, 200, "{action}: {}", answer.body);
}

async fn created(test: &TestPlatform, pair: &Pair, target: &str, body: &Value) -> Value {
    let answer: Answer = test.call(pair, "POST", target, &body.to_string()).await;
    assert!((200..300).contains(&answer.status), "{target}: {:?}", answer.body);
    answer.json()
}

async fn made(test: &TestPlatform, boss: &Pair, target: &str, body: &Value) -> Value {
    created(test, boss, target, body).await
}

async fn application(test: &TestPlatform, boss: &Pair) -> String {
    let all = test.get(boss, "/appsec/v1/applications").await.json();
    text(&all["_embedded"]["applications"][0], "guid")
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("`{member}` in {value}")).to_owned()
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).expect("a number")
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).expect("a statement");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("texts")
}

fn list<T>(
    connection: &Connection,
    sql: &str,
    after: i64,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut statement = connection.prepare(sql).expect("a statement");
    let rows = statement.query_map([after], read).expect("rows");
    rows.collect::<Result<_, _>>().expect("what can be read")
}

fn sessions(connection: &Connection) -> BTreeMap<i64, i64> {
    let sql = "select person, count(*) from signin_sessions where id > ? group by person";
    list(connection, sql, 0, |row| Ok((row.get(0)?, row.get(1)?))).into_iter().collect()
}

/// What is drawn at random, or a secret.
const DRAWN: &[&str] = &["guid", "api_id", "client_id", "sealed", "secret_digest", "digest"];
/// Written now and then, not with an act.
const IN_PASSING: &[&str] = &["last_used_ms"];

fn rows_of(connection: &Connection, table: &str) -> BTreeSet<String> {
    let mut statement = connection.prepare(&format!("select * from {table}")).expect("a statement");
    let names: Vec<String> = statement.column_names().map(String::from).collect();
    let mut rows = statement.query([]).expect("rows");
    let mut all = BTreeSet::new();
    while let Some(row) = rows.next().expect("a row") {
        let mut shown = Vec::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            if DRAWN.contains(&name.as_str()) || IN_PASSING.contains(&name.as_str()) {
                continue;
            }
            let value = match row.get_ref(at).expect("a value") {
                ValueRef::Null => "null".to_owned(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
            };
            shown.push(format!("{name}={value}"));
        }
        all.insert(shown.join(" "));
    }
    all
}
