//! Real exported JSON, scrubbed and served: pages of applications and of findings.

mod scrub;

use std::collections::HashMap;

use countersign_wire::application::{Application, PolicyRef, Profile, Scan};
use countersign_wire::finding::{Finding, FindingDetails, Reference};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;
use serde_json::Value;

use crate::act::{Change, Noted};
use crate::applications::{self, settings_of};
use crate::recorded::Json;
use crate::words::{FindingStatus, Resolution};
use crate::{Error, ORGANIZATION, findings, marks, policies, sandboxes, weaknesses};
use scrub::Scrubber;

/// What became of a page.
#[derive(Debug, Default, Serialize)]
pub struct Taken {
    applications: usize,
    findings: usize,
    /// Findings of the page that were held already, or twice in it.
    repeated: usize,
}

/// Takes in one page, or one application or finding. Findings belong to the
/// application that the page links to, that their context names, or that is given.
pub fn page(
    change: &Change<'_>,
    body: &[u8],
    seed: &str,
    application: Option<&str>,
) -> Result<Noted<Taken>, Error> {
    let no_json =
        |error: &dyn std::fmt::Display| Error::input(format!("the page is no JSON: {error}"));
    let text = std::str::from_utf8(body).map_err(|error| no_json(&error))?;
    let page = Json::parse(text).map_err(|error| no_json(&error))?;
    let inner = page.get("_embedded").unwrap_or(&page);
    let mut import = Import {
        transaction: change.transaction,
        scrubber: Scrubber::new(seed),
        taken: Taken::default(),
        texts: HashMap::new(),
    };
    if let Some(applications) = inner.get("applications").and_then(Json::elements) {
        for (at, application) in applications.iter().enumerate() {
            import.application(application).map_err(|error| at_record(at, error))?;
        }
    } else if inner.get("profile").is_some() {
        import.application(inner)?;
    } else if let Some(findings) = inner.get("findings").and_then(Json::elements) {
        let linked = ["_links", "application", "href"];
        let linked = linked.iter().try_fold(&page, |json, name| json.get(name));
        let linked = linked.and_then(Json::text);
        let linked = linked.as_deref().and_then(|href| href.rsplit('/').next());
        let owner = application.or(linked);
        for (at, finding) in findings.iter().enumerate() {
            import.finding(finding, owner).map_err(|error| at_record(at, error))?;
        }
    } else if page.get("_links").is_none() || page.get("page").is_none() {
        return Err(Error::input(
            "the page has neither applications nor findings\nhint: give the answers of \
             `/appsec/v1/applications` and `/appsec/v2/applications/{guid}/findings` as they are"
                .into(),
        ));
    }
    let Taken { applications, findings, repeated } = import.taken;
    let target =
        format!("applications: {applications}, findings: {findings}, repeated: {repeated}");
    change.noted("import.page", &target, import.taken)
}

fn at_record(at: usize, error: Error) -> Error {
    match error.is_input() {
        true => Error::input(format!("record {at} of the page: {error}")),
        false => error,
    }
}

struct Import<'a> {
    transaction: &'a Transaction<'a>,
    scrubber: Scrubber,
    taken: Taken,
    texts: HashMap<String, i64>,
}

impl Import<'_> {
    fn application(&mut self, original: &Json) -> Result<(), Error> {
        let application: Application = serde_json::from_str(&original.to_string())
            .map_err(|error| Error::input(error.to_string()))?;
        let guid = self.scrubber.guid(&application.guid);
        let mut profile = application.profile.clone();
        self.scrubber.profile(&mut profile);
        let id = self.row(&guid, profile.name.as_deref().unwrap_or_default())?;
        let policy = profile.policies.first();
        let compliance = policy.and_then(|policy| policy.policy_compliance_status.as_deref());
        let build_id = application.results_url.as_deref().and_then(|url| url.rsplit(':').next());
        let build_id = build_id.and_then(|id| id.parse().ok()).map(|id| self.scrubber.number(id));
        let ms = |text: &Option<String>| text.as_deref().map(moment).transpose();
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| Error::input(error.to_string()))
        };
        for field in profile.custom_fields.iter().flatten().filter_map(|f| f.name.as_deref()) {
            weaknesses::custom_field(self.transaction, field)?;
        }
        let unit = profile.business_unit.as_ref().and_then(|unit| unit.name.as_deref());
        let fields = profile.custom_fields.as_ref().filter(|fields| !fields.is_empty());
        self.transaction.execute(
            "update applications set name = ?2, tags = ?3, business_unit = ?4,
                business_owners = ?5, policy = ?6, compliance = ?7, custom_fields = ?8,
                description = ?9, business_criticality = ?10, git_repo_url = ?11, build_id = ?12,
                created_ms = ?13, modified_ms = ?14, policy_checked_ms = ?15, last_scan_ms = ?16,
                archer_app_name = ?17, custom_kms_alias = ?18, settings = ?19 where id = ?1",
            params![
                id,
                profile.name,
                profile.tags,
                self.unit(unit.unwrap_or("Not Specified"))?,
                json(serde_json::to_string(&profile.business_owners))?,
                self.policy(policy)?,
                compliance.unwrap_or("NOT_ASSESSED"),
                fields.map(serde_json::to_string).map(json).transpose()?,
                profile.description,
                profile.business_criticality.as_deref().unwrap_or("MEDIUM"),
                profile.git_repo_url,
                build_id,
                ms(&application.created)?.unwrap_or_default(),
                ms(&application.modified)?.unwrap_or_default(),
                ms(&application.last_policy_compliance_check_date)?,
                ms(&application.last_completed_scan_date)?,
                profile.archer_app_name,
                profile.custom_kms_alias,
                settings_of(profile.settings.as_ref()),
            ],
        )?;
        self.teams(id, &profile)?;
        self.transaction.execute("delete from scans where application = ?", [id])?;
        for scan in &application.scans {
            self.scan(id, scan)?;
        }
        self.keep_application(id, original, Application { profile, ..application })?;
        self.taken.applications += 1;
        Ok(())
    }

    /// Keeps what was recorded of an application, beside what is served of it now: ids and
    /// all that holds them are this platform's.
    fn keep_application(
        &self,
        id: i64,
        original: &Json,
        scrubbed: Application,
    ) -> Result<(), Error> {
        let own = applications::whole(self.transaction, id, marks::BASE)?.wire;
        let mut told = Application {
            id: own.id,
            oid: own.oid,
            alt_org_id: scrubbed.alt_org_id.map(|_| ORGANIZATION),
            guid: own.guid.clone(),
            app_profile_url: own.app_profile_url.clone(),
            results_url: own.results_url.clone(),
            links: own.links.clone(),
            ..scrubbed
        };
        for scan in &mut told.scans {
            let same = own.scans.iter().find(|other| other.scan_type == scan.scan_type);
            scan.scan_url = same.and_then(|scan| scan.scan_url.clone());
            scan.links.clear();
            (scan.fallback_type, scan.full_type) = (None, None);
        }
        if let Some(unit) = &mut told.profile.business_unit {
            unit.clone_from(&own.profile.business_unit.clone().unwrap_or_default());
        }
        for (policy, own) in told.profile.policies.iter_mut().zip(&own.profile.policies) {
            policy.guid.clone_from(&own.guid);
            policy.name.clone_from(&own.name);
        }
        for team in &mut told.profile.teams {
            let name = self.scrubber.name("Team", team.team_name.as_deref().unwrap_or_default());
            let same = own.profile.teams.iter().find(|own| own.team_name.as_ref() == Some(&name));
            *team = same.cloned().unwrap_or_default();
        }
        let told = Json::parse(&serde_json::to_string(&told)?)?.shaped_as(original);
        let then = Json::parse(&serde_json::to_string(&own)?)?;
        self.keep("applications", id, &told, &then)
    }

    /// Keeps what was recorded, unless it is served like that anyway.
    fn keep(&self, table: &str, id: i64, recorded: &Json, then: &Json) -> Result<(), Error> {
        let kept = (recorded != then).then(|| (recorded.stored(), then.stored()));
        let sql = format!("update {table} set recorded = ?2, recorded_then = ?3 where id = ?1");
        let (recorded, then) = kept.unzip();
        self.transaction.execute(&sql, params![id, recorded, then])?;
        Ok(())
    }

    /// The row of an application, new when there is none yet.
    fn row(&self, guid: &str, name: &str) -> Result<i64, Error> {
        let held = "select id from applications where guid = ?";
        let id = self.transaction.query_row(held, [guid], |row| row.get(0)).optional()?;
        if let Some(id) = id {
            return Ok(id);
        }
        self.transaction.execute(
            "insert into applications
                (guid, name, business_unit, policy, business_criticality, created_ms, modified_ms)
             values (?, ?, (select id from business_units where is_default),
                (select id from policies where guid = ?), 'MEDIUM', 0, 0)",
            [guid, name, policies::RECOMMENDED],
        )?;
        Ok(self.transaction.last_insert_rowid())
    }

    /// The one that stands for none keeps its name.
    fn unit(&self, name: &str) -> Result<i64, Error> {
        let name = match name {
            "Not Specified" => name.to_owned(),
            _ => self.scrubber.name("Unit", name),
        };
        self.named("business_units", &name)
    }

    /// The vendor's policies are everybody's, others are somebody's.
    fn policy(&self, policy: Option<&PolicyRef>) -> Result<i64, Error> {
        let guid = policy.and_then(|policy| policy.guid.as_deref()).unwrap_or_default();
        let supplied = "select id from policies where is_default and guid = lower(?)";
        let supplied = self.transaction.query_row(supplied, [guid], |row| row.get(0)).optional()?;
        if let Some(id) = supplied {
            return Ok(id);
        }
        let name = policy.and_then(|policy| policy.name.as_deref()).unwrap_or("none");
        let id = self.named("policies", &self.scrubber.name("Policy", name))?;
        self.transaction.execute(
            "update policies set definition = ? where id = ? and definition = '{}'",
            params![policies::definition(3, 0), id],
        )?;
        Ok(id)
    }

    fn teams(&self, application: i64, profile: &Profile) -> Result<(), Error> {
        let held = "delete from application_teams where application = ?";
        self.transaction.execute(held, [application])?;
        for team in profile.teams.iter().filter_map(|team| team.team_name.as_deref()) {
            let team = self.named("teams", &self.scrubber.name("Team", team))?;
            self.transaction.execute(
                "insert or ignore into application_teams (application, team) values (?, ?)",
                [application, team],
            )?;
        }
        Ok(())
    }

    /// The row of this name, new when there is none yet.
    fn named(&self, table: &str, name: &str) -> Result<i64, Error> {
        self.transaction.execute(
            &format!("insert or ignore into {table} (guid, name) values (?, ?)"),
            [&self.scrubber.guid(name), name],
        )?;
        let held = format!("select id from {table} where name = ?");
        Ok(self.transaction.query_row(&held, [name], |row| row.get(0))?)
    }

    fn scan(&self, application: i64, scan: &Scan) -> Result<(), Error> {
        let url = scan.scan_url.as_deref().unwrap_or_default();
        let mut numbers = url.split(':').filter_map(|part| part.parse().ok()).skip(3);
        let mut number = || numbers.next().map_or(0, |number| self.scrubber.number(number));
        let modified = scan.modified_date.as_deref().map(moment).transpose()?;
        self.transaction.execute(
            "insert or replace into scans
                (application, scan_type, status, modified_ms, analysis, unit)
             values (?, ?, ?, ?, ?, ?)",
            params![
                application,
                scan.scan_type.as_deref().unwrap_or("STATIC"),
                scan.status.as_deref().unwrap_or("PUBLISHED"),
                modified.unwrap_or_default(),
                number(),
                number(),
            ],
        )?;
        Ok(())
    }

    fn finding(&mut self, original: &Json, owner: Option<&str>) -> Result<(), Error> {
        let mut finding = Finding::parse(&original.to_string())
            .map_err(|error| Error::input(error.to_string()))?;
        let is_sandbox = finding.context_type.as_deref() == Some("SANDBOX");
        let context = finding.context_guid.clone();
        let owner = match (owner, &context) {
            (Some(owner), _) => owner,
            (None, Some(context)) if !is_sandbox => context,
            _ => {
                return Err(Error::input(
                    "it does not say which application it belongs to\nhint: give `application`"
                        .into(),
                ));
            }
        };
        self.scrubber.finding(&mut finding).map_err(Error::input)?;
        let guid = self.scrubber.guid(owner);
        let application = self.row(&guid, &self.scrubber.name("Application", owner))?;
        let sandbox = match context.filter(|_| is_sandbox) {
            Some(context) => self.sandbox(application, &context)?,
            None => 0,
        };
        self.learn(&finding)?;
        let is_sca = matches!(finding.finding_details, FindingDetails::Sca(_));
        let details = Json::parse(&serde_json::to_string(&finding.finding_details)?)?;
        let details = match original.get("finding_details") {
            Some(original) => details.shaped_as(original),
            None => details,
        };
        let held = self.held(application, sandbox, &finding)?;
        if held.is_some() {
            self.taken.repeated += 1;
        } else {
            self.taken.findings += 1;
        }
        let ordinal = match (held, finding.issue_id) {
            (Some(ordinal), _) => ordinal,
            (None, Some(issue_id)) if !is_sca => issue_id,
            _ => self.transaction.query_row(
                "select coalesce(max(ordinal), 0) + 1 from findings
                 where application = ? and sandbox = ? and is_sca = ?",
                params![application, sandbox, is_sca],
                |row| row.get(0),
            )?,
        };
        self.insert(application, sandbox, ordinal, &finding, &details.stored())?;
        let place = sandboxes::Context { application, sandbox };
        self.keep_finding(place, original, finding, details)
    }

    /// The same for the finding that was inserted last.
    fn keep_finding(
        &self,
        place: sandboxes::Context,
        original: &Json,
        scrubbed: Finding,
        details: Json,
    ) -> Result<(), Error> {
        let id = self.transaction.last_insert_rowid();
        let context: String = self.transaction.query_row(
            "select coalesce((select guid from sandboxes where id = ?2),
                (select guid from applications where id = ?1))",
            [place.application, place.sandbox],
            |row| row.get(0),
        )?;
        let form = findings::Form {
            base: marks::BASE,
            context: context.clone(),
            with_annotations: scrubbed.annotations.is_some(),
            with_grace: scrubbed.grace_period_expires_date.is_some(),
        };
        let then = Json::parse(&findings::one(self.transaction, id, place, &form)?)?;
        let told = Finding {
            context_guid: Some(context),
            build_id: scrubbed.build_id.map(|id| self.scrubber.number(id)),
            ..scrubbed
        };
        let told = Json::parse(&serde_json::to_string(&told)?)?.shaped_as(original);
        self.keep("findings", id, &told.with("finding_details", details), &then)
    }

    fn sandbox(&self, application: i64, context: &str) -> Result<i64, Error> {
        let guid = self.scrubber.guid(context);
        self.transaction.execute(
            "insert or ignore into sandboxes
                (guid, application, name, owner, created_ms, modified_ms)
             values (?1, ?2, ?3, 'owner@example.com', 0, 0)",
            params![guid, application, self.scrubber.name("Sandbox", context)],
        )?;
        let held = "select id from sandboxes where guid = ?";
        Ok(self.transaction.query_row(held, [guid], |row| row.get(0))?)
    }

    /// Weaknesses and categories that the dictionaries do not hold yet.
    fn learn(&self, finding: &Finding) -> Result<(), Error> {
        let (cwe, category) = references(&finding.finding_details);
        let severity = severity(&finding.finding_details);
        if let Some((id, name)) = cwe.and_then(|cwe| cwe.id.zip(cwe.name.as_deref())) {
            self.transaction.execute(
                "insert or ignore into cwes
                    (id, name, description, severity, remediation_effort, recommendation)
                 values (?1, ?2, ?2, ?3, 3, '')",
                params![id, name, severity],
            )?;
        }
        if let Some((id, name)) = category.and_then(|one| one.id.zip(one.name.as_deref())) {
            self.transaction.execute(
                "insert or ignore into categories (id, name, description, recommendation)
                 values (?1, ?2, ?2, '')",
                params![id, name],
            )?;
        }
        Ok(())
    }

    /// Where a finding is that is held already.
    fn held(
        &self,
        application: i64,
        sandbox: i64,
        finding: &Finding,
    ) -> Result<Option<i64>, Error> {
        let FindingDetails::Sca(details) = &finding.finding_details else {
            let sql = "select ordinal from findings
                where application = ? and sandbox = ? and is_sca = 0 and ordinal = ?";
            let key = params![application, sandbox, finding.issue_id];
            return Ok(self.transaction.query_row(sql, key, |row| row.get(0)).optional()?);
        };
        let mode = details.metadata.as_ref().and_then(|data| data.sca_scan_mode.as_deref());
        let cve = details.cve.as_ref().and_then(|cve| cve.name.as_deref());
        let held = self
            .transaction
            .prepare_cached(
                "select ordinal from findings where application = ? and sandbox = ? and is_sca = 1
                    and cve is ? and scan_mode is ?
                    and replace(details, char(1), '') ->> 'component_id' is ?
                    and replace(details, char(1), '') ->> 'component_filename' is ?",
            )?
            .query_row(
                params![
                    application,
                    sandbox,
                    cve,
                    mode,
                    details.component_id,
                    details.component_filename
                ],
                |row| row.get(0),
            )
            .optional()?;
        Ok(held)
    }

    fn text(&mut self, text: &str) -> Result<i64, Error> {
        if let Some(id) = self.texts.get(text) {
            return Ok(*id);
        }
        let json = Value::from(text).to_string();
        self.transaction.execute("insert into texts (json) values (?)", [json])?;
        let id = self.transaction.last_insert_rowid();
        self.texts.insert(text.to_owned(), id);
        Ok(id)
    }

    fn insert(
        &mut self,
        application: i64,
        sandbox: i64,
        ordinal: i64,
        finding: &Finding,
        details: &str,
    ) -> Result<(), Error> {
        let text = self.text(finding.description.as_deref().unwrap_or_default())?;
        let status = &finding.finding_status;
        let ms = |text: &Option<String>| text.as_deref().map(moment).transpose();
        let (cwe, category) = references(&finding.finding_details);
        let (mut cvss, mut cve, mut modes) = (None, None, (None, None));
        if let FindingDetails::Sca(details) = &finding.finding_details {
            let vulnerability = details.cve.as_ref();
            cve = vulnerability.and_then(|cve| cve.name.clone());
            cvss = vulnerability.and_then(|cve| cve.cvss.as_ref()?.as_f64());
            let data = details.metadata.clone().unwrap_or_default();
            modes = (data.sca_scan_mode, data.sca_dep_mode);
        }
        let annotations = match &finding.annotations {
            Some(all) if !all.is_empty() => {
                Some(serde_json::to_string(all).map_err(|error| Error::input(error.to_string()))?)
            }
            _ => None,
        };
        let word = |text: &Option<String>, default: &str| {
            text.clone().unwrap_or_else(|| default.to_owned())
        };
        let build_id = finding.build_id.map(|id| self.scrubber.number(id));
        let is_sca = matches!(finding.finding_details, FindingDetails::Sca(_));
        self.transaction.execute(
            "insert or replace into findings (application, sandbox, is_sca, ordinal, issue_id,
                scan_type, severity, cwe, category, cvss, cve, violates_policy, is_new, status,
                resolution, resolution_status, review_status, first_found_ms, last_seen_ms,
                grace_ms, mitigated_ms, scan_mode, dependency_mode, build_id, text, details,
                annotations)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                application,
                sandbox,
                is_sca,
                ordinal,
                finding.issue_id,
                finding.scan_type,
                severity(&finding.finding_details),
                cwe.and_then(|cwe| cwe.id),
                category.and_then(|category| category.id),
                cvss,
                cve,
                finding.violates_policy.unwrap_or_default(),
                status.new.unwrap_or_default(),
                word(&status.status, FindingStatus::Open.word()),
                word(&status.resolution, "UNRESOLVED"),
                word(&status.resolution_status, Resolution::None.word()),
                status.mitigation_review_status,
                ms(&status.first_found_date)?.unwrap_or_default(),
                ms(&status.last_seen_date)?.unwrap_or_default(),
                ms(&finding.grace_period_expires_date)?,
                None::<i64>,
                modes.0,
                modes.1,
                build_id,
                text,
                details,
                annotations,
            ],
        )?;
        Ok(())
    }
}

fn moment(text: &str) -> Result<i64, Error> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(|time| time.as_millisecond()).map_err(|_| {
        Error::input(format!("`{text}` is not a time such as 2026-11-24T08:00:00.000Z"))
    })
}

fn references(details: &FindingDetails) -> (Option<&Reference>, Option<&Reference>) {
    match details {
        FindingDetails::Static(one) => (one.cwe.as_ref(), one.finding_category.as_ref()),
        FindingDetails::Dynamic(one) => (one.cwe.as_ref(), one.finding_category.as_ref()),
        FindingDetails::Manual(one) => (one.cwe.as_ref(), one.finding_category.as_ref()),
        FindingDetails::Sca(one) => (one.cwe.as_ref(), None),
        _ => (None, None),
    }
}

fn severity(details: &FindingDetails) -> i64 {
    let severity = match details {
        FindingDetails::Static(one) => one.severity,
        FindingDetails::Dynamic(one) => one.severity,
        FindingDetails::Manual(one) => one.severity,
        FindingDetails::Sca(one) => one.severity,
        _ => None,
    };
    severity.unwrap_or_default()
}
