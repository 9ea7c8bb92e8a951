//! The service: it answers as the real one does, but for its texts.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

const APPLICATION: &str = "7c1b0a52-0000-4000-8000-000000000001";
const SANDBOX: &str = "7c1b0a52-0000-4000-8000-000000000002";

/// A text with everything in it that a terminal acts on or a person cannot see.
pub(crate) fn nasty(tag: &str) -> String {
    let mut text = format!("{tag} \u{1b}]0;EVIL\u{7}\u{1b}[31;5mEVIL\r\nFORGED hint: run this\n");
    text.extend('\0'..='\u{1f}');
    text.extend('\u{7f}'..='\u{9f}');
    text.push_str("\u{ad}\u{61c}\u{180e}\u{2028}\u{2029}\u{feff}\u{fff9}\u{e0041}");
    text.extend('\u{200b}'..='\u{200f}');
    text.extend('\u{202a}'..='\u{202e}');
    text.extend('\u{2066}'..='\u{2069}');
    text.push_str("\" \\ ${x} `x` </script><b>");
    text
}

/// The same, and a megabyte more.
fn endless(tag: &str) -> String {
    format!("{}{}\u{202e}", nasty(tag), "a long text ".repeat(90_000))
}

type Bytes = fn() -> Vec<u8>;

/// Answers to whatever is asked.
pub(crate) const FAILURES: &[(&str, Bytes)] = &[
    ("no HTTP", || nasty("SSH-2.0").into_bytes()),
    ("a reason phrase", || b"HTTP/1.1 400 \x1b]0;EVIL\x07\r\ncontent-length: 0\r\n\r\n".to_vec()),
    ("a header", || {
        b"HTTP/1.1 200 OK\r\nserver: \x1b]0;EVIL\x07\r\ncontent-length: 0\r\n\r\n".to_vec()
    }),
    ("refused", || {
        failed(401, &json!({"message": endless("no"), "http_code": 401, "http_status": nasty("s")}))
    }),
    ("forbidden", || {
        failed(
            403,
            &json!({"_embedded": {"api_errors": [{"title": nasty("no"), "detail": endless("d"), "code": nasty("c")}]}}),
        )
    }),
    ("gone", || failed(404, &json!({"errors": [nasty("a"), nasty("b")], "status": 404}))),
    ("limited", || failed(429, &json!({"error": nasty("a"), "error_description": nasty("b")}))),
    ("down", || answer(503, "text/html", format!("<title>{}</title>", nasty("t")).as_bytes())),
    ("broken", || {
        answer(500, "text/plain", &[nasty("x").as_bytes(), b"\xff\xfe\x9b1m\xc2"].concat())
    }),
    ("elsewhere", || {
        let head = format!(
            "HTTP/1.1 302 Found\r\nlocation: https://{}\u{202e}\u{9b}\u{200b}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "x".repeat(5000)
        );
        head.into_bytes()
    }),
    ("no JSON", || answer(200, "application/json", nasty("{\"a\":").as_bytes())),
    ("no UTF-8", || {
        answer(200, "application/json", b"{\"a\": \"\x9b1m\xe2\x80\xae\xff\x1b]0;EVIL\x07\"}")
    }),
    ("another type", || {
        answer(
            200,
            "application/json",
            json!({
                "user_id": {nasty("k"): 1}, "page": nasty("p"), "_embedded": nasty("e"),
                "_links": {"next": {"href": endless("https://example.com/")}},
            })
            .to_string()
            .as_bytes(),
        )
    }),
    ("a link elsewhere", || {
        answer(
            200,
            "application/json",
            json!({
                "user_id": "u", "_embedded": {"applications": []},
                "page": {"number": 0, "size": 500, "total_elements": 0, "total_pages": 0},
                "_links": {"next": {"href": endless("https://example.com/")}},
            })
            .to_string()
            .as_bytes(),
        )
    }),
];

fn failed(status: u16, body: &Value) -> Vec<u8> {
    answer(status, "application/json", body.to_string().as_bytes())
}

fn answer(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    // What a header can hold: no controls, but every other byte.
    let odd = "\u{202e}\u{200b}\u{9b}31m\u{2028}";
    let head = format!(
        "HTTP/1.1 {status} {odd}\r\ncontent-type: {kind}; charset={odd}\r\nserver: {odd}\r\n\
         retry-after: {odd}\r\nx-conversation-id: {odd}\r\nx-odd: {odd}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

enum Mode {
    Works { expires: String },
    Fails(Bytes),
}

pub(crate) struct Service {
    pub(crate) url: String,
    mode: Arc<Mutex<Mode>>,
}

impl Service {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mode = Arc::new(Mutex::new(Mode::Works { expires: "2099-01-01T00:00:00.000Z".into() }));
        let shared = mode.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mode = shared.clone();
                std::thread::spawn(move || serve(&stream.unwrap(), &mode));
            }
        });
        Self { url, mode }
    }

    pub(crate) fn fail(&self, with: Bytes) {
        *self.mode.lock().unwrap() = Mode::Fails(with);
    }

    pub(crate) fn expire(&self, when: &str) {
        *self.mode.lock().unwrap() = Mode::Works { expires: when.to_owned() };
    }
}

fn serve(mut stream: &TcpStream, mode: &Mutex<Mode>) {
    let mut lines = BufReader::new(stream).lines();
    let Some(Ok(first)) = lines.next() else { return };
    // Heads alone: the bodies that are sent are small and nobody reads them.
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let target = first.split(' ').nth(1).unwrap_or_default();
    let bytes = match &*mode.lock().unwrap() {
        Mode::Fails(with) => with(),
        Mode::Works { expires } => works(target, expires),
    };
    // Who has seen enough goes.
    let _ = stream.write_all(&bytes);
}

fn works(target: &str, expires: &str) -> Vec<u8> {
    let path = target.split('?').next().unwrap_or_default();
    let is_sca = target.contains("scan_type=SCA");
    let body = match path.strip_prefix("/appsec/v") {
        None if path == "/api/authn/v2/users/self" => user(),
        None if path.starts_with("/api/authn/v2/users/") => user(),
        None if path.starts_with("/api/authn/v2/api_credentials") => credential(expires),
        Some("1/applications" | "1/applications/") => {
            page(target, "applications", &[application()])
        }
        Some(rest) if rest.ends_with("/sandboxes") => page(target, "sandboxes", &[sandbox()]),
        Some(rest) if rest.ends_with("/findings") && is_sca => page(target, "findings", &[sca()]),
        Some(rest) if rest.ends_with("/findings") => page(target, "findings", &findings()),
        Some(rest) if rest.ends_with("/static_flaw_info") => paths(),
        Some(_) if path.ends_with(APPLICATION) => application(),
        _ => return failed(404, &json!({"message": nasty("nothing there")})),
    };
    // As it came: what serde leaves raw stays raw.
    answer(200, "application/json", body.to_string().as_bytes())
}

fn user() -> Value {
    let role = |name: &str| json!({"role_name": name, "role_description": nasty(name)});
    let roles = [role("resultsapi"), role(&nasty("other"))];
    json!({
        "user_id": "0a1b", "user_name": endless("account"), "first_name": nasty("first"),
        "last_name": nasty("last"), "email_address": nasty("mail"), "account_type": nasty("API"),
        "roles": roles, "teams": [{"team_name": nasty("team")}],
        "permissions": [{"permission_name": nasty("permission")}],
        "organization": {"org_name": nasty("organisation")},
        "allowed_ip_addresses": [nasty("10.0.0.1")],
    })
}

fn credential(expires: &str) -> Value {
    json!({
        "api_id": super::ID, "expiration_ts": expires,
        "revocation_user": nasty("who"), "user_id": "0a1b", "org_id": nasty("org"),
    })
}

fn page(target: &str, list: &str, elements: &[Value]) -> Value {
    let number = |name: &str| -> Option<usize> {
        let (_, rest) = target.split_once(&format!("{name}="))?;
        rest.split('&').next()?.parse().ok()
    };
    let (size, at) = (number("size").unwrap_or(50), number("page").unwrap_or_default());
    let shown: Vec<_> = elements.iter().skip(at * size).take(size).collect();
    json!({
        "_embedded": {list: shown}, "_links": {},
        "page": {"number": at, "size": size, "total_elements": elements.len(),
            "total_pages": elements.len().div_ceil(size)},
    })
}

fn application() -> Value {
    json!({
        "guid": APPLICATION, "id": 7, "created": "2025-01-02T03:04:05.000Z",
        "modified": "2026-01-02T03:04:05.000Z", "app_profile_url": nasty("url"),
        "results_url": nasty("url"), "last_completed_scan_date": "2026-01-02T03:04:05.000Z",
        "scans": [{"scan_type": nasty("STATIC"), "status": nasty("status"), "scan_url": nasty("u"),
            "internal_status": nasty("i"), "modified_date": nasty("date")}],
        "profile": {
            "name": endless("application"), "tags": nasty("tag"), "description": endless("text"),
            "business_unit": {"id": 1, "name": nasty("unit"), "guid": nasty("guid")},
            "business_owners": [{"name": nasty("owner"), "email": nasty("mail")}],
            "policies": [{"guid": nasty("guid"), "name": nasty("policy"),
                "policy_compliance_status": nasty("DID_NOT_PASS")}],
            "teams": [{"guid": nasty("guid"), "team_name": nasty("team")}],
            "custom_fields": [{"name": nasty("field"), "value": nasty("value")}],
            "business_criticality": nasty("HIGH"), "git_repo_url": nasty("https://git.example.com/"),
        },
    })
}

fn sandbox() -> Value {
    json!({"guid": SANDBOX, "name": nasty("sandbox"), "application_guid": APPLICATION})
}

fn finding(number: i64, scan_type: &str, details: Value) -> Value {
    json!({
        "issue_id": number, "scan_type": scan_type, "description": endless("what it is"), "count": 1,
        "context_type": "APPLICATION", "context_guid": APPLICATION, "violates_policy": true,
        "build_id": 1, "finding_details": details,
        "finding_status": {"status": nasty("OPEN"), "resolution": nasty("UNRESOLVED"),
            "resolution_status": nasty("NONE"), "mitigation_review_status": nasty("NONE"),
            "first_found_date": "2026-01-02T03:04:05.000Z", "last_seen_date": "2026-01-02T03:04:05.000Z"},
        "annotations": [{"action": nasty("COMMENT"), "comment": endless("words"),
            "user_name": nasty("who"), "created": "2026-01-02T03:04:05.000Z"}],
        nasty("a member that nobody knows"): nasty("value"),
    })
}

fn findings() -> Vec<Value> {
    let weakness =
        json!({"id": 89, "name": nasty("weakness"), "href": nasty("https://cwe.mitre.org/")});
    vec![
        finding(
            1,
            "STATIC",
            json!({"severity": 4, "cwe": weakness, "file_path": nasty("src/"),
            "file_name": nasty("x.java"), "module": nasty("m"), "procedure": nasty("p"),
            "attack_vector": nasty("v"), "file_line_number": 7}),
        ),
        finding(
            2,
            "DYNAMIC",
            json!({"severity": 3, "cwe": weakness, "url": nasty("https://example.com/"),
            "path": nasty("/"), "hostname": nasty("h"), "port": nasty("443"), "plugin": nasty("p"),
            "vulnerable_parameter": nasty("q"), "attack_vector": nasty("v")}),
        ),
        finding(
            3,
            "MANUAL",
            json!({"severity": 2, "cwe": weakness, "location": nasty("l"),
            "exploit_desc": nasty("e"), "remediation_desc": endless("r"), "input_vector": nasty("i"),
            "severity_desc": nasty("s"), "capec_id": nasty("1"), "exploit_difficulty": nasty("d")}),
        ),
        // Kept as it came, because nobody knows what it is.
        finding(4, &nasty("FUZZ"), json!({"severity": nasty("4")})),
        finding(5, "STATIC", json!({"severity": nasty("4"), "cwe": nasty("89")})),
    ]
}

fn sca() -> Value {
    finding(
        6,
        "SCA",
        json!({
            "severity": 5, "cwe": {"id": 89, "name": nasty("weakness")},
            "component_id": nasty("id"), "component_filename": nasty("lib-1.0.jar"), "version": nasty("1.0"),
            "language": nasty("JAVA"), "product_id": nasty("p"),
            "component_path": [{"path": nasty("lib/")}], "licenses": [{"license_id": nasty("MIT"), "risk_rating": nasty("2")}],
            "metadata": {"sca_scan_mode": nasty("UPLOAD"), "sca_dep_mode": nasty("DIRECT")},
            "cve": {"name": nasty("CVE-2020-1236"), "cvss": 9.1, "href": nasty("https://nvd.nist.gov/"),
                "severity": nasty("HIGH"), "vector": nasty("AV:N"),
                "cvss3": {"score": 9.8, "severity": nasty("CRITICAL"), "vector": nasty("AV:N")}},
        }),
    )
}

fn paths() -> Value {
    json!({"issue_summary": {"issue_id": 1}, "data_paths": [{
        "module_name": nasty("m"), "steps": 1, "local_path": nasty("l"), "function_name": nasty("f"),
        "line_number": 1, "calls": [{"data_path": 1, "file_name": nasty("n"), "file_path": nasty("p"),
            "function_name": nasty("f"), "line_number": 1}],
    }]})
}
