//! A tenant made up from a number: the same number, the same tenant.

pub mod catalog;
mod dice;
pub mod life;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use countersign_wire::finding::{
    ComponentPath, Cve, Cvss3, DynamicDetails, Exploitability, FindingDetails, License,
    ManualDetails, ScaDetails, ScaMetadata, StaticDetails,
};
use rusqlite::{Connection, Transaction, params};
use serde_json::{Number, Value, json};

use crate::act::{Act, Change, Noted};
use crate::marks::stored;
use crate::tenant::Tenant;
use crate::words::{DependencyMode, FindingStatus, Resolution, ScanMode, ScanType};
use crate::{Error, guid_from, policies, timestamp, weaknesses as dictionaries};
use catalog::{COMPONENTS, FLAWS, Flaw, NAMES, TEAMS, UNITS};
use dice::Dice;

pub const DAY_MS: i64 = 86_400_000;

/// What an empty home is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedSpec {
    /// About 60 applications and 6,000 findings of every kind.
    Demo,
    /// Nothing.
    Empty,
    /// So many applications and findings.
    Sized {
        /// Applications.
        applications: u32,
        /// Findings over all of them.
        findings: u32,
        /// Start of the number sequence.
        rng: u64,
    },
}

impl FromStr for SeedSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed =
            || format!("`{text}` is not `demo`, `empty` or `apps=N,findings=N[,rng=N]`");
        match text {
            "demo" => return Ok(Self::Demo),
            "empty" => return Ok(Self::Empty),
            _ => {}
        }
        let (mut applications, mut findings, mut rng) = (None, None, None);
        for part in text.split(',') {
            let (name, number) = part.split_once('=').ok_or_else(malformed)?;
            let slot = match name {
                "apps" => &mut applications,
                "findings" => &mut findings,
                "rng" => &mut rng,
                _ => return Err(malformed()),
            };
            let number: u64 = number.parse().map_err(|_| malformed())?;
            if slot.replace(number).is_some() {
                return Err(malformed());
            }
        }
        let bounded = |number: Option<u64>, most: u32| {
            number.and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= most).ok_or_else(malformed)
        };
        let applications = bounded(applications, 100_000)?;
        let findings = bounded(findings, 20_000_000)?;
        if applications == 0 && findings > 0 {
            return Err(format!("{}: findings need an application", malformed()));
        }
        Ok(Self::Sized { applications, findings, rng: rng.unwrap_or(1) })
    }
}

impl fmt::Display for SeedSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Demo => f.write_str("demo"),
            Self::Empty => f.write_str("empty"),
            Self::Sized { applications, findings, rng } => {
                write!(f, "apps={applications},findings={findings},rng={rng}")
            }
        }
    }
}

impl Tenant {
    /// Fills an empty database: a seeding that was cut off leaves it empty.
    pub fn seed(&self, act: &Act, spec: &SeedSpec) -> Result<(), Error> {
        if self.look(|view| is_seeded(view.connection))? {
            return Ok(());
        }
        // Asked again: another process may have seeded it meanwhile.
        let seed = |change: &Change<'_>| match is_seeded(change.connection)? {
            true => Ok(Noted(())),
            false => {
                fill(change.transaction, spec, change.now_ms)?;
                change.noted("tenant.seed", &spec.to_string(), ())
            }
        };
        self.database().fill(|| self.change(act, seed))
    }
}

fn is_seeded(connection: &Connection) -> Result<bool, Error> {
    let sql = "select exists (select 1 from meta where name = 'seed')";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Fills an empty database.
pub(crate) fn fill(
    transaction: &Transaction<'_>,
    spec: &SeedSpec,
    now_ms: i64,
) -> Result<(), Error> {
    transaction.execute("insert into meta (name, value) values ('seed', ?)", [spec.to_string()])?;
    let (applications, findings, rng, is_demo) = match *spec {
        SeedSpec::Empty => return Ok(()),
        SeedSpec::Demo => (60, 6_000, 60, true),
        SeedSpec::Sized { applications, findings, rng } => (applications, findings, rng, false),
    };
    // Whole days, so that a tenant seeded twice on one day is the same.
    let today_ms = now_ms - now_ms.rem_euclid(DAY_MS);
    let mut dice = Dice::new(rng);
    let salt = dice.below(u64::MAX);
    let mut seeder = Seeder { transaction, dice, salt, today_ms, is_demo, texts: HashMap::new() };
    seeder.organisation()?;
    let mut left = u64::from(findings);
    for n in 0..applications {
        let share = left / u64::from(applications - n);
        let share = if is_demo { seeder.uneven(share, n, applications, left) } else { share };
        seeder.application(n, share)?;
        left -= share;
    }
    Ok(())
}

/// The dictionaries that findings point to.
pub(crate) fn weaknesses(transaction: &Transaction<'_>) -> Result<(), Error> {
    let mut cwe = transaction.prepare_cached(
        "insert or ignore into cwes
            (id, name, description, severity, remediation_effort, recommendation)
         values (?, ?, ?, ?, ?, ?)",
    )?;
    let mut category = transaction.prepare_cached(
        "insert or ignore into categories (id, name, description, recommendation)
         values (?, ?, ?, ?)",
    )?;
    for flaw in FLAWS {
        // The graver, the deeper it tends to sit.
        let effort = flaw.severity.clamp(1, 4);
        cwe.execute(params![flaw.cwe, flaw.name, flaw.risk, flaw.severity, effort, flaw.fix])?;
        category.execute(params![flaw.category, flaw.category_name, flaw.risk, flaw.fix])?;
    }
    for component in COMPONENTS {
        if let Some((id, name)) = component.cwe {
            let advice = "Use a version of the component without the weakness.";
            cwe.execute(params![id, name, name, 3, 2, advice])?;
        }
    }
    Ok(())
}

/// The scans of an application, the newest first.
const SCANS: [ScanType; 3] = [ScanType::Static, ScanType::Dynamic, ScanType::Manual];

struct Seeder<'a> {
    transaction: &'a Transaction<'a>,
    dice: Dice,
    /// What flaws are made from beside their numbers.
    salt: u64,
    today_ms: i64,
    is_demo: bool,
    texts: HashMap<String, i64>,
}

/// The application that findings are being made for.
struct Home {
    id: i64,
    build_id: i64,
    name: String,
    created_ms: i64,
    scanned_ms: i64,
}

/// How a finding stands.
struct Standing {
    status: FindingStatus,
    resolution: &'static str,
    resolution_status: Resolution,
    annotations: Option<String>,
    mitigated_ms: Option<i64>,
}

impl Seeder<'_> {
    fn organisation(&mut self) -> Result<(), Error> {
        dictionaries::custom_field(self.transaction, "Cost Center")?;
        self.transaction.execute(
            "insert into policies (guid, name, definition) values (?, 'Example Baseline', ?)",
            [guid_from("policy:baseline"), policies::definition(4, 0)],
        )?;
        for unit in UNITS {
            self.transaction.execute(
                "insert into business_units (guid, name) values (?, ?)",
                params![guid_from(&format!("unit:{unit}")), unit],
            )?;
        }
        for (at, team) in TEAMS.iter().enumerate() {
            self.transaction.execute(
                "insert into teams (guid, name, business_unit) values (?, ?, ?)",
                params![guid_from(&format!("team:{team}")), team, 2 + (at % UNITS.len()) as i64],
            )?;
        }
        Ok(())
    }

    /// Some applications hold much, some little, the first two nothing.
    fn uneven(&mut self, share: u64, n: u32, of: u32, left: u64) -> u64 {
        match n {
            0 | 1 => 0,
            _ if n + 1 == of => left,
            _ => (share / 4 + self.dice.below(share * 3 / 2 + 1)).min(left),
        }
    }

    fn application(&mut self, n: u32, findings: u64) -> Result<(), Error> {
        let base = NAMES[n as usize % NAMES.len()];
        let name = match n as usize / NAMES.len() {
            0 => base.to_owned(),
            round => format!("{base} {}", round + 1),
        };
        let id = 500_000 + i64::from(n) * 7 + 1;
        let created_ms = self.today_ms - DAY_MS * (200 + self.dice.below(900) as i64);
        let scanned_ms = self.today_ms - DAY_MS * self.dice.below(30) as i64 - 3_600_000;
        let build_id = 30_000_000 + i64::from(n) * 11;
        // Findings come from scans.
        let is_scanned = n != 0 || findings > 0;
        let criticality =
            *self.dice.pick(&["VERY_HIGH", "HIGH", "HIGH", "MEDIUM", "MEDIUM", "LOW", "VERY_LOW"]);
        let compliance = match (is_scanned, findings) {
            (false, _) => "NOT_ASSESSED",
            (true, 0) => "PASSED",
            // Not drawn, as it was when the first one was never scanned.
            _ if n == 0 => "DID_NOT_PASS",
            _ => *self.dice.pick(&["DID_NOT_PASS", "DID_NOT_PASS", "CONDITIONAL_PASS", "PASSED"]),
        };
        // A few under the organisation's own policy, the others under the recommended one.
        let policy = match n % 6 {
            5 => guid_from("policy:baseline"),
            _ => policies::RECOMMENDED.to_owned(),
        };
        let owners = match self.dice.below(3) {
            0 => json!([{"name": "Alex Example", "email": "alex@example.com"}]),
            1 => json!([{"email": "owner@example.com"}]),
            _ => json!([]),
        };
        let tags = match self.dice.below(3) {
            0 => Some("internet,payments"),
            1 => Some("internal"),
            _ => None,
        };
        let fields = (self.dice.below(3) == 0).then(|| {
            json!([{"name": "Cost Center", "value": format!("CC-{}", n % 7)}]).to_string()
        });
        self.transaction.execute(
            "insert into applications (id, guid, name, tags, business_unit, business_owners, policy,
                compliance, custom_fields, description, business_criticality, build_id, created_ms,
                modified_ms, policy_checked_ms, last_scan_ms)
             values (?, ?, ?, ?, ?, ?, (select id from policies where guid = ?),
                ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                id,
                self.dice.guid(),
                name,
                tags,
                1 + self.dice.below(UNITS.len() as u64 + 1) as i64,
                owners.to_string(),
                policy,
                compliance,
                fields,
                n.is_multiple_of(2).then(|| format!("{name}, a made-up application")),
                criticality,
                is_scanned.then_some(build_id),
                created_ms,
                if is_scanned { scanned_ms + 3_000 } else { created_ms },
                is_scanned.then_some(scanned_ms + 5_000),
                is_scanned.then_some(scanned_ms),
            ],
        )?;
        for _ in 0..=self.dice.below(2) {
            self.transaction.execute(
                "insert or ignore into application_teams (application, team) values (?, ?)",
                params![id, 1 + self.dice.below(TEAMS.len() as u64) as i64],
            )?;
        }
        if is_scanned {
            self.scans(id, n, scanned_ms)?;
        }
        let home = Home { id, build_id, name, created_ms, scanned_ms };
        self.contents(&home, n, findings)
    }

    fn scans(&mut self, id: i64, n: u32, scanned_ms: i64) -> Result<(), Error> {
        for (at, scan_type) in SCANS.into_iter().enumerate() {
            if self.is_scanned(n, scan_type) {
                self.transaction.execute(
                    "insert into scans values (?, ?, 'PUBLISHED', ?, ?, ?)",
                    params![
                        id,
                        scan_type.word(),
                        scanned_ms - DAY_MS * at as i64,
                        31_000_000 + id,
                        32_000_000 + id
                    ],
                )?;
            }
        }
        Ok(())
    }

    /// The findings: in a sized tenant all static and SCA in the policy context, in the demo
    /// every type where a scan of it was, and some in sandboxes.
    fn contents(&mut self, home: &Home, n: u32, findings: u64) -> Result<(), Error> {
        let has_sandboxes = self.is_demo && n >= 2 && n % 4 == 2;
        let in_sandboxes = if has_sandboxes { findings / 5 } else { 0 };
        let in_policy = findings - in_sandboxes;
        let sca = in_policy * 3 / 10;
        let share =
            |scan_type, part| if self.is_scanned(n, scan_type) { in_policy / part } else { 0 };
        let (dynamic, manual) = (share(ScanType::Dynamic, 6), share(ScanType::Manual, 15));
        let mut issue_id = 0;
        let mut of_static = Vec::new();
        for at in 0..in_policy - sca {
            issue_id += 1 + i64::from(self.is_demo && self.dice.below(9) == 0);
            let scan_type = match at {
                at if at < dynamic => ScanType::Dynamic,
                at if at < dynamic + manual => ScanType::Manual,
                _ => ScanType::Static,
            };
            if has_sandboxes && scan_type == ScanType::Static {
                of_static.push(issue_id);
            }
            self.flaw(home, 0, issue_id, scan_type)?;
        }
        for at in 0..sca {
            self.component(home, 0, at as i64)?;
        }
        if !has_sandboxes {
            return Ok(());
        }
        for (at, name) in ["Development", "Release Candidate"].iter().enumerate() {
            let guid = self.dice.guid();
            self.transaction.execute(
                "insert into sandboxes (guid, application, name, owner, created_ms, modified_ms)
                 values (?, ?, ?, 'dev@example.com', ?, ?)",
                params![guid, home.id, name, home.created_ms + DAY_MS, home.scanned_ms],
            )?;
            let sandbox = self.transaction.last_insert_rowid();
            let share = if at == 0 { in_sandboxes / 2 } else { in_sandboxes - in_sandboxes / 2 };
            let mut known = of_static.iter();
            for at in 0..share {
                if at % 5 == 4 {
                    self.component(home, sandbox, at as i64)?;
                    continue;
                }
                // The same flaw keeps its number in a sandbox; some are there alone.
                let number = match at % 7 {
                    6 => None,
                    _ => known.next().copied(),
                };
                let number = number.unwrap_or_else(|| {
                    issue_id += 1;
                    issue_id
                });
                self.flaw(home, sandbox, number, ScanType::Static)?;
            }
        }
        Ok(())
    }

    /// Whether the application of this number has a scan of this type: all have static
    /// ones, in the demo some have others as well.
    fn is_scanned(&self, n: u32, scan_type: ScanType) -> bool {
        match scan_type {
            ScanType::Static => true,
            ScanType::Dynamic => self.is_demo && n.is_multiple_of(3),
            _ => self.is_demo && n.is_multiple_of(5),
        }
    }

    fn standing(&mut self, found_ms: i64) -> Standing {
        use FindingStatus::{Closed, Open};
        let plain = |status| Standing {
            status,
            resolution: "UNRESOLVED",
            resolution_status: Resolution::None,
            annotations: None,
            mitigated_ms: None,
        };
        let step = |action: &str, comment: &str, ms: i64| json!({"action": action, "comment": comment, "created": timestamp(ms), "user_name": "reviewer@example.com"});
        let (proposed_ms, decided_ms) = (found_ms + 3 * DAY_MS, found_ms + 5 * DAY_MS);
        let mitigated = |status, resolution, resolution_status, steps: Vec<Value>| Standing {
            status,
            resolution,
            resolution_status,
            annotations: Some(Value::from(steps).to_string()),
            mitigated_ms: Some(decided_ms),
        };
        let design = || step("APPDESIGN", "Input is checked before it gets here.", proposed_ms);
        match self.dice.below(100) {
            0..=61 => plain(Open),
            62..=79 => plain(Closed),
            80..=82 => Standing {
                annotations: Some(json!([step("REOPENED", "Seen again.", decided_ms)]).to_string()),
                ..plain(Open)
            },
            83..=87 => mitigated(Open, "MITIGATED", Resolution::Proposed, vec![design()]),
            88..=93 => mitigated(
                Closed,
                "MITIGATED",
                Resolution::Approved,
                vec![step("APPROVED", "Agreed.", decided_ms), design()],
            ),
            94..=96 => mitigated(
                Open,
                "UNRESOLVED",
                Resolution::Rejected,
                vec![step("REJECTED", "The check can be bypassed.", decided_ms), design()],
            ),
            _ => mitigated(
                Closed,
                "POTENTIAL_FALSE_POSITIVE",
                Resolution::Approved,
                vec![
                    step("APPROVED", "Agreed.", decided_ms),
                    step("FP", "The value is a constant.", proposed_ms),
                ],
            ),
        }
    }

    fn flaw(
        &mut self,
        home: &Home,
        sandbox: i64,
        issue_id: i64,
        scan_type: ScanType,
    ) -> Result<(), Error> {
        // The same number, the same flaw, in whatever context.
        let own = Dice::new(self.salt ^ ((home.id as u64) << 32) ^ issue_id as u64);
        let all = std::mem::replace(&mut self.dice, own);
        let flaw = *self.dice.pick(FLAWS);
        let details = match scan_type {
            ScanType::Static => self.static_details(home, &flaw),
            ScanType::Dynamic => self.dynamic_details(home, &flaw),
            _ => self.manual_details(home, &flaw),
        };
        self.dice = all;
        let html = flaw.description(&details.subject);
        // Answers since 2025 carry the dynamic ones as base64; older ones did not.
        let description = if scan_type == ScanType::Dynamic && issue_id % 6 != 0 {
            data_encoding::BASE64.encode(html.as_bytes())
        } else {
            html
        };
        let text = self.text(&description)?;
        let span_ms = (home.scanned_ms - home.created_ms).max(1) as u64;
        let is_new = self.dice.below(12) == 0;
        let first_ms = if is_new {
            home.scanned_ms + self.dice.below(1000) as i64
        } else {
            home.created_ms + self.dice.below(span_ms) as i64
        };
        let standing = self.standing(first_ms);
        let is_open = standing.status == FindingStatus::Open;
        let last_ms = if is_open { home.scanned_ms } else { first_ms.midpoint(home.scanned_ms) };
        let violates = flaw.severity >= 3 && self.dice.below(5) != 0;
        self.insert(Row {
            home,
            sandbox,
            ordinal: issue_id,
            issue_id: Some(issue_id),
            scan_type,
            severity: flaw.severity,
            cwe: Some(flaw.cwe),
            category: Some(flaw.category),
            cvss: None,
            cve: None,
            violates,
            is_new,
            standing,
            review: Some("NONE"),
            first_ms,
            last_ms,
            grace_ms: violates.then_some(first_ms + 60 * DAY_MS),
            scan_mode: None,
            dependency_mode: None,
            text,
            details: stored(&details.wire)?,
        })
    }

    fn static_details(&mut self, home: &Home, flaw: &Flaw) -> Details {
        let package = home.name.to_ascii_lowercase().replace(' ', "");
        let class = *self.dice.pick(catalog::CLASSES);
        let method = *self.dice.pick(catalog::METHODS);
        let subject = *self.dice.pick(flaw.functions);
        let wire = FindingDetails::Static(StaticDetails {
            severity: Some(flaw.severity),
            cwe: Some(flaw.weakness()),
            file_path: Some(format!("com/example/{package}/{class}.java")),
            file_name: Some(format!("{class}.java")),
            module: Some(format!("{package}.war")),
            relative_location: Some(self.dice.below(101) as i64),
            finding_category: Some(flaw.category()),
            procedure: Some(format!("com.example.{package}.{class}.{method}")),
            exploitability: Some(self.dice.below(5) as i64 - 2),
            attack_vector: Some(subject.into()),
            file_line_number: Some(self.dice.below(900) as i64 + 1),
            cvss: None,
        });
        Details { wire, subject: subject.to_owned() }
    }

    fn dynamic_details(&mut self, home: &Home, flaw: &Flaw) -> Details {
        let host = format!("{}.example.com", home.name.to_ascii_lowercase().replace(' ', "-"));
        let path = format!("/{}", self.dice.pick(catalog::METHODS).to_ascii_lowercase());
        let parameter = *self.dice.pick(&["id", "q", "next", "name", ""]);
        let wire = FindingDetails::Dynamic(DynamicDetails {
            severity: Some(flaw.severity),
            cwe: Some(flaw.weakness()),
            url: Some(format!("https://{host}:443{path}")),
            path: Some(path),
            hostname: Some(host),
            plugin: Some(flaw.category_name.into()),
            port: Some("443".into()),
            discovered_by_vsa: Some(self.dice.below(2) as i64),
            finding_category: Some(flaw.category()),
            vulnerable_parameter: (!parameter.is_empty()).then(|| parameter.into()),
            attack_vector: Some(flaw.name.into()),
            cvss: None,
        });
        Details { wire, subject: format!("the parameter {parameter}") }
    }

    fn manual_details(&mut self, home: &Home, flaw: &Flaw) -> Details {
        let wire = FindingDetails::Manual(ManualDetails {
            severity: Some(flaw.severity),
            cwe: Some(flaw.weakness()),
            cvss: Some(format!("{}.{}", flaw.severity + 2, self.dice.below(10))),
            capec_id: Some((self.dice.below(600) + 1).to_string()),
            exploit_desc: Some("Send a crafted request.".into()),
            exploit_difficulty: Some((self.dice.below(5) + 1).to_string()),
            input_vector: Some("request body".into()),
            location: Some(format!("{} sign-in page", home.name)),
            module: Some("web".into()),
            remediation_desc: Some(flaw.fix.into()),
            severity_desc: Some("Access to other accounts.".into()),
            finding_category: Some(flaw.category()),
        });
        Details { wire, subject: "the sign-in page".into() }
    }

    /// The finding of this number of an application: the same number, the same component and
    /// vulnerability, in whatever context.
    fn component(&mut self, home: &Home, sandbox: i64, at: i64) -> Result<(), Error> {
        let part = Part::of(home, at);
        let vulnerability = part.vulnerability(self.today_ms);
        let text = self.text(&format!(
            "{} is vulnerable to {}. An attacker can send crafted input to an application that uses the component.",
            part.kind.name, part.kind.weakness
        ))?;
        // A vulnerability published after the last scan: seen before it was found.
        let is_new = self.dice.below(15) == 0;
        let (first_ms, last_ms) = if is_new {
            (self.today_ms - self.dice.below(3) as i64 * DAY_MS, home.scanned_ms - 40 * DAY_MS)
        } else {
            (home.created_ms + DAY_MS, home.scanned_ms)
        };
        let mut standing = self.standing(first_ms);
        let is_approved = standing.resolution_status == Resolution::Approved;
        if is_approved {
            standing.status = FindingStatus::Open;
        }
        let violates = vulnerability.severity >= 4 && !is_approved;
        let details = part.details(&vulnerability);
        self.insert(Row {
            home,
            sandbox,
            ordinal: at,
            issue_id: None,
            scan_type: ScanType::Sca,
            severity: vulnerability.severity,
            cwe: part.kind.cwe.map(|(cwe, _)| cwe),
            category: None,
            cvss: Some(vulnerability.score),
            cve: vulnerability.cve.name,
            violates,
            is_new,
            standing: Standing { annotations: None, mitigated_ms: None, ..standing },
            review: None,
            first_ms,
            last_ms,
            grace_ms: violates.then_some(first_ms + 30 * DAY_MS),
            scan_mode: Some(part.mode),
            dependency_mode: Some(part.dependency),
            text,
            details: stored(&details)?,
        })
    }

    /// The id of a text, the same for the same text.
    fn text(&mut self, text: &str) -> Result<i64, Error> {
        if let Some(id) = self.texts.get(text) {
            return Ok(*id);
        }
        let json = Value::from(text).to_string();
        self.transaction.prepare_cached("insert into texts (json) values (?)")?.execute([json])?;
        let id = self.transaction.last_insert_rowid();
        self.texts.insert(text.to_owned(), id);
        Ok(id)
    }

    fn insert(&mut self, row: Row<'_>) -> Result<(), Error> {
        self.transaction
            .prepare_cached(
                "insert into findings (application, sandbox, is_sca, ordinal, issue_id, scan_type,
                    severity, cwe, category, cvss, cve, violates_policy, is_new, status, resolution,
                    resolution_status, review_status, first_found_ms, last_seen_ms, grace_ms,
                    mitigated_ms, scan_mode, dependency_mode, build_id, text, details, annotations,
                    updated_ms)
                 values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
                    max(?18, ?19, coalesce(?21, 0)))",
            )?
            .execute(params![
                row.home.id,
                row.sandbox,
                row.issue_id.is_none(),
                row.ordinal,
                row.issue_id,
                row.scan_type.word(),
                row.severity,
                row.cwe,
                row.category,
                row.cvss,
                row.cve,
                row.violates,
                row.is_new,
                row.standing.status.word(),
                row.standing.resolution,
                row.standing.resolution_status.word(),
                row.review,
                row.first_ms,
                row.last_ms,
                row.grace_ms,
                row.standing.mitigated_ms,
                row.scan_mode.map(ScanMode::word),
                row.dependency_mode.map(DependencyMode::word),
                row.issue_id.map(|_| row.home.build_id),
                row.text,
                row.details,
                row.standing.annotations,
            ])?;
        Ok(())
    }
}

struct Details {
    wire: FindingDetails,
    subject: String,
}

struct Row<'a> {
    home: &'a Home,
    sandbox: i64,
    ordinal: i64,
    issue_id: Option<i64>,
    scan_type: ScanType,
    severity: i64,
    cwe: Option<i64>,
    category: Option<i64>,
    cvss: Option<f64>,
    cve: Option<String>,
    violates: bool,
    is_new: bool,
    standing: Standing,
    review: Option<&'static str>,
    first_ms: i64,
    last_ms: i64,
    grace_ms: Option<i64>,
    scan_mode: Option<ScanMode>,
    dependency_mode: Option<DependencyMode>,
    text: i64,
    details: String,
}

/// A component as an application holds it, and one of its vulnerabilities.
struct Part {
    kind: catalog::Component,
    version: String,
    mode: ScanMode,
    dependency: DependencyMode,
    paths: Vec<String>,
    licenses: Vec<License>,
    /// Start of the sequence that the vulnerability is made from: the same in every
    /// application.
    vulnerability: u64,
}

/// A vulnerability, which says the same wherever it is found.
struct Vulnerability {
    severity: i64,
    score: f64,
    cve: Cve,
}

/// How many vulnerabilities the components of an application have, again and again.
const VULNERABILITIES: [i64; 4] = [3, 1, 2, 4];

/// How many vulnerabilities are known of one kind of component.
const KNOWN: i64 = 12;

impl Part {
    fn of(home: &Home, at: i64) -> Self {
        let of_block: i64 = VULNERABILITIES.iter().sum();
        let (block, mut of_part) = (at / of_block, at % of_block);
        let mut part = block * VULNERABILITIES.len() as i64;
        for count in VULNERABILITIES {
            if of_part < count {
                break;
            }
            of_part -= count;
            part += 1;
        }
        let kinds = COMPONENTS.len() as i64;
        let kind_at = (part + home.id / 7).rem_euclid(kinds);
        let kind = COMPONENTS[kind_at as usize];
        // Each kind once in a version of its own; a few versions for all applications.
        let number = part / kinds + (home.id / 7).rem_euclid(3);
        let version = format!("{}.{}.{}", 1 + number % 5, number / 5 % 20, number / 100);
        let mut own = Dice::new((home.id as u64).wrapping_mul(1_000_003) + part as u64);
        let mode = if own.below(4) == 0 { ScanMode::Agent } else { ScanMode::Upload };
        let dependency = match mode {
            ScanMode::Agent => *own.pick(&[DependencyMode::Direct, DependencyMode::Transitive]),
            _ => DependencyMode::Unknown,
        };
        let file = format!("{}-{version}.{}", kind.name, kind.extension);
        let folders = ["lib", "WEB-INF/lib", "services/reports/lib", "tools/import/lib"];
        let count = 1 + own.below(folders.len() as u64) as usize;
        let license = |id: &str, risk: &str| License {
            license_id: Some(id.into()),
            risk_rating: Some(risk.into()),
        };
        let licenses = match kind_at % 5 {
            0 => Vec::new(),
            1 => vec![license("gpl-2.0", "4"), license("mit", "2")],
            _ => vec![license("apache-2.0", "2")],
        };
        Self {
            kind,
            paths: folders[..count].iter().map(|folder| format!("{folder}/{file}")).collect(),
            licenses,
            version,
            mode,
            dependency,
            vulnerability: (kind_at * KNOWN + (number * 3 + of_part) % KNOWN) as u64,
        }
    }

    fn vulnerability(&self, today_ms: i64) -> Vulnerability {
        let number = self.vulnerability;
        let mut own = Dice::new(number.wrapping_mul(7_919) + 17);
        let name = match own.below(15) {
            0 => format!("SRCCLR-SID-{}", 2_000 + number * 7),
            _ => format!("CVE-{}-{}", 2018 + own.below(8), 10_000 + number * 61),
        };
        let severity = *own.pick(&[2, 3, 3, 3, 4, 4, 4, 5]);
        let word =
            ["Informational", "Very Low", "Low", "Medium", "High", "Very High"][severity as usize];
        let tenths = match own.below(3) {
            0 => severity * 20,
            _ => severity * 20 - own.below(15) as i64,
        };
        let score = tenths as f64 / 10.0;
        let gap = if own.below(10) == 0 { "\u{200b}" } else { "" };
        let cvss3 = (own.below(8) != 0).then(|| Cvss3 {
            score: Number::from_f64(score),
            severity: Some(word.into()),
            vector: Some("AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H".into()),
        });
        let exploitability = exploitability(&mut own, &name, today_ms);
        let cve = Cve {
            cvss: Number::from_f64(score),
            href: Some(catalog::vulnerability_href(&name)),
            name: Some(name),
            severity: Some(word.into()),
            vector: Some(format!("AV:N/{gap}AC:L/{gap}Au:N/C:P/I:P/A:P")),
            cvss3,
            exploitability,
        };
        Vulnerability { severity, score, cve }
    }

    fn details(&self, vulnerability: &Vulnerability) -> FindingDetails {
        let Self { kind, version, .. } = self;
        let path = |path: &String| ComponentPath { path: Some(path.clone()) };
        FindingDetails::Sca(Box::new(ScaDetails {
            severity: Some(vulnerability.severity),
            cwe: kind.cwe.map(|(id, name)| catalog::reference("cwes", id, name)),
            component_id: Some(guid_from(&format!("component:{}:{version}", kind.name))),
            licenses: Some(self.licenses.clone()),
            metadata: Some(ScaMetadata {
                sca_scan_mode: Some(self.mode.word().into()),
                sca_dep_mode: Some(self.dependency.word().into()),
            }),
            cve: Some(vulnerability.cve.clone()),
            product_id: Some(guid_from(&format!("product:{}", kind.name))),
            component_filename: Some(format!("{}-{version}.{}", kind.name, kind.extension)),
            language: Some(kind.language.into()),
            component_path: Some(self.paths.iter().map(path).collect()),
            version: Some(version.clone()),
        }))
    }
}

fn exploitability(dice: &mut Dice, name: &str, today_ms: i64) -> Option<Exploitability> {
    let at = dice.below(4);
    if at == 0 {
        return None;
    }
    let mut share = || Number::from_f64(dice.below(100_000) as f64 / 100_000.0);
    let (epss_score, epss_percentile) = (share(), share());
    let is_observed = at == 1;
    Some(Exploitability {
        full_cve: Some(name.into()),
        epss_score,
        epss_percentile,
        epss_score_date: Some(timestamp(today_ms - 40 * DAY_MS)[..10].into()),
        epss_model_version: Some("v2025.03.14".into()),
        epss_citation: Some("example".into()),
        epss_status: Some("match found".into()),
        exploit_service_status: Some("available".into()),
        exploit_observed: Some(is_observed),
        exploit_source: is_observed.then(|| "KEV".into()),
        exploit_note: is_observed.then(|| "Listed as exploited.".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_read_or_refused() {
        assert_eq!("demo".parse(), Ok(SeedSpec::Demo));
        let sized = SeedSpec::Sized { applications: 3, findings: 40, rng: 9 };
        assert_eq!("apps=3,findings=40,rng=9".parse(), Ok(sized));
        assert_eq!(sized.to_string().parse(), Ok(sized));
        for bad in [
            "",
            "Demo",
            "apps=3",
            "findings=3",
            "apps=x,findings=1",
            "apps=0,findings=1",
            "apps=1,findings=1,apps=2",
            "apps=1,findings=1,seed=2",
            "apps=999999,findings=1",
        ] {
            assert!(bad.parse::<SeedSpec>().is_err(), "{bad}");
        }
    }
}
