//! CycloneDX 1.6: a vulnerability disclosure report of the SCA findings.
//! Vulnerabilities stream; the components that they affect come behind them.
//!
//! What is kept until the end is one entry for each distinct component, so memory is
//! bounded by how many of those there are.

use std::collections::BTreeMap;
use std::io::{self, Write};

use countersign_findings::{Component, Finding, State, rfc3339};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::facts::{self, Measure, Review};
use crate::json::{Elements, some, tidy, write_members};
use crate::package::{purl, spdx};
use crate::place::web_uri;
use crate::product::Product;
use crate::text::{plain, some_plain};
use crate::{Export, Head, Held, Item};

/// One document.
pub struct CycloneDx<W: Write> {
    out: W,
    head: Head,
    vulnerabilities: Elements,
    components: BTreeMap<String, Value>,
    content: Sha256,
}

impl<W: Write> CycloneDx<W> {
    /// Begins the document on `out`.
    pub fn new(mut out: W, head: &Head) -> io::Result<Self> {
        out.write_all(b"{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.6\",\"version\":1,\n")?;
        out.write_all(b"\"vulnerabilities\":[")?;
        Ok(Self {
            out,
            head: head.clone(),
            vulnerabilities: Elements::default(),
            components: BTreeMap::new(),
            content: Sha256::new(),
        })
    }
}

impl<W: Write> Export for CycloneDx<W> {
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held> {
        let Some(component) = &item.finding.component else {
            return Ok(Held::NotHeld("it is about no component"));
        };
        if item.gone {
            return Ok(Held::NotHeld("it is no longer reported, and not known to be resolved"));
        }
        let reference = component_ref(component);
        let vulnerability = vulnerability(item, component, &reference);
        self.components
            .entry(reference)
            .or_insert_with_key(|reference| describe(component, reference));
        self.content.update(vulnerability.to_string());
        self.vulnerabilities.write(&mut self.out, &vulnerability)?;
        Ok(Held::Written)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.write_all(b"],\n\"components\":[")?;
        let mut written = Elements::default();
        for component in self.components.values() {
            self.content.update(component.to_string());
            written.write(&mut self.out, component)?;
        }
        self.out.write_all(b"]")?;
        let digest = self.content.finalize();
        write_members(&mut self.out, &tail(&self.head, &digest))?;
        self.out.write_all(b"}\n")?;
        self.out.flush()
    }
}

/// The same findings have the same serial number, whenever they are exported.
fn tail(head: &Head, digest: &[u8]) -> Value {
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    // A UUID of version 8: what it is made from is ours to say.
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    let hex = HEXLOWER.encode(&id);
    let uuid = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    let filter = some_plain(Some(&head.filter));
    tidy(json!({
        "serialNumber": format!("urn:uuid:{uuid}"),
        "metadata": {
            "timestamp": rfc3339(head.made_ms),
            "tools": {"components": [
                {"type": "application", "name": "countersign", "version": head.version}]},
            "properties": filter.map(|filter| [property("filter", &filter)]),
        },
    }))
}

fn component_ref(component: &Component) -> String {
    format!("component:{}", plain(&component.id))
}

fn describe(component: &Component, reference: &str) -> Value {
    let name = some_plain(component.name.as_deref()).unwrap_or_else(|| plain(&component.id));
    let mut licenses: Vec<Value> = Vec::new();
    for license in &component.licenses {
        let license = match spdx(&license.id) {
            Some(id) => json!({"license": {"id": id}}),
            None => match some_plain(Some(&license.id)) {
                Some(name) => json!({"license": {"name": name}}),
                None => continue,
            },
        };
        if !licenses.contains(&license) {
            licenses.push(license);
        }
    }
    let language = some_plain(component.language.as_deref());
    tidy(json!({
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": some_plain(component.version.as_deref()),
        "purl": purl(component),
        "licenses": some(licenses),
        "properties": language.map(|language| [property("language", &language)]),
    }))
}

fn vulnerability(item: &Item<'_>, component: &Component, reference: &str) -> Value {
    let finding = item.finding;
    let known = finding.vulnerability.as_ref();
    let cve = facts::cve(finding);
    let product = plain(&Product::of(item.raw).name);
    let source = match cve {
        Some(cve) => json!({"name": "NVD", "url": facts::cve_url(cve)}),
        None => json!({"name": product}),
    };
    let links = known.and_then(|known| known.href.as_ref()).into_iter().chain(&finding.references);
    let mut advisories: Vec<Value> = Vec::new();
    for url in links.filter_map(|link| web_uri(link)) {
        let advisory = json!({"url": url});
        if !advisories.contains(&advisory) {
            advisories.push(advisory);
        }
    }
    let status = match finding.state {
        State::FalsePositive => "unaffected",
        _ => "affected",
    };
    let version = some_plain(component.version.as_deref());
    tidy(json!({
        "bom-ref": format!("finding:{}", finding.id),
        "id": known.map(|known| plain(&known.name)),
        "source": source,
        "ratings": ratings(finding, &product),
        "cwes": facts::cwe(finding).map(|cwe| [cwe]),
        "description": facts::words(item.finding),
        "advisories": some(advisories),
        "analysis": analysis(finding),
        "affects": [{
            "ref": reference,
            "versions": version.map(|version| [json!({"version": version, "status": status})]),
        }],
        "properties": properties(item, component),
    }))
}

/// The product's severity, and the scores of each version of CVSS.
fn ratings(finding: &Finding, product: &str) -> Vec<Value> {
    let severity = match finding.severity.level() {
        0 => "info",
        1 | 2 => "low",
        3 => "medium",
        4 => "high",
        _ => "critical",
    };
    let mut ratings =
        vec![json!({"source": {"name": product}, "severity": severity, "method": "other"})];
    let known = finding.vulnerability.as_ref();
    let vectors = facts::vectors(finding);
    let vector = |is_second: bool| vectors.iter().find(|v| (v.version == "2") == is_second);
    let third = vector(false);
    let method = match third.map(|vector| vector.version) {
        Some("3.1") => "CVSSv31",
        _ => "CVSSv3",
    };
    // The severity is the vendor's in each: readers take one of them. A reader that knows
    // the method asks for the vector.
    let mut add = |score: Option<f64>, vector: Option<&facts::Vector>, method| {
        let score = score.filter(|score| (0.0..=10.0).contains(score));
        if score.is_some() || vector.is_some() {
            let method = vector.map(|_| method);
            let vector = vector.map(|vector| &vector.text);
            ratings.push(json!({
                "score": score, "severity": severity, "vector": vector, "method": method,
            }));
        }
    };
    add(known.and_then(|known| known.cvss3), third, method);
    add(known.and_then(|known| known.cvss2), vector(true), "CVSSv2");
    ratings
}

/// What people decided. An approved mitigation without a kind is taken for a control
/// that protects; an accepted risk is not.
fn analysis(finding: &Finding) -> Value {
    let measure = facts::newest_measure(finding);
    let (state, justification, response) = match (finding.state, facts::review(finding)) {
        (State::Fixed, _) => ("resolved", None, Some("update")),
        (State::FalsePositive, _) => ("false_positive", None, None),
        (State::Mitigated, _) => match measure {
            Some(one) if one.leaves_the_risk() => ("exploitable", None, Some("will_not_fix")),
            Some(Measure::OfNetwork) => ("not_affected", Some("protected_at_perimeter"), None),
            Some(Measure::OfSystem | Measure::OfEnvironment) => {
                ("not_affected", Some("protected_at_runtime"), None)
            }
            Some(Measure::Remediated) => ("resolved", None, None),
            _ => ("not_affected", Some("protected_by_mitigating_control"), None),
        },
        (State::Open, Review::Rejected) => ("exploitable", None, None),
        (State::Open, _) => ("in_triage", None, None),
    };
    let detail = facts::reasons(finding).or_else(|| {
        (facts::review(finding) == Review::Proposed).then(|| "A mitigation is proposed.".to_owned())
    });
    json!({
        "state": state,
        "justification": justification,
        "response": response.map(|response| [response]),
        "detail": detail,
    })
}

fn properties(item: &Item<'_>, component: &Component) -> Vec<Value> {
    let finding = item.finding;
    let known = finding.vulnerability.as_ref();
    let mut properties = vec![
        property("id", finding.id.as_str()),
        property("integration", item.integration),
        property("application", finding.application.as_str()),
        property("application_name", &item.application.name),
        property("context", &finding.context.to_string()),
        property("severity", &finding.severity.level().to_string()),
        property("state", finding.state.as_str()),
    ];
    let mut add = |name, value: Option<String>| {
        properties.extend(value.map(|value| property(name, &value)));
    };
    add("violates_policy", finding.violates_policy.map(|is| is.to_string()));
    add("first_found", finding.first_found_ms.map(rfc3339));
    add("last_seen", finding.last_seen_ms.map(rfc3339));
    add("scan_mode", component.scan_mode.clone());
    add("dependency_mode", component.dependency_mode.clone());
    add("epss_score", known.and_then(|known| known.epss_score).map(|score| score.to_string()));
    add(
        "exploit_observed",
        known.and_then(|known| known.exploit_observed).map(|is| is.to_string()),
    );
    for path in &component.paths {
        add("path", Some(path.clone()));
    }
    properties
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": format!("countersign:{name}"), "value": plain(value)})
}
