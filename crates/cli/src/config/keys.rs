//! The table of all keys of `config.toml`: what `config init`, `show` and `check` and the
//! reference are made from. A test holds it to what the parser takes.

/// What a key is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    Number,
    Truth,
    Text,
    /// A path of the file system.
    File,
    /// `90s`, `30m`, `6h`, `7d`.
    Span,
    /// The same, or `off`.
    SpanOrOff,
    /// Hours of the day, such as `22:00-04:00`.
    Hours,
    /// An IP address with a port.
    Address,
    /// Several texts.
    List,
    /// A text, one of these.
    Choice(&'static [&'static str]),
    /// Whatever another program accepts.
    Any,
}

impl Kind {
    /// For people.
    pub(crate) fn said(self) -> String {
        match self {
            Self::Integer => "integer".into(),
            Self::Number => "number".into(),
            Self::Truth => "true or false".into(),
            Self::Text => "text".into(),
            Self::File => "path".into(),
            Self::Span => "duration: 90s, 30m, 6h, 7d".into(),
            Self::SpanOrOff => "duration (90s, 30m, 6h, 7d) or off".into(),
            Self::Hours => "hours of the day, such as 22:00-04:00".into(),
            Self::Address => "IP address and port".into(),
            Self::List => "list of texts".into(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Any => "any value".into(),
        }
    }
}

/// What there is to know of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// With the tables that it is in. `NAME` is a name of the user's, `[]` each of several.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// As it is written; none where nothing is set.
    pub(crate) default: Option<&'static str>,
    /// As it could be written; without one, the default.
    pub(crate) example: &'static str,
    /// Of a number.
    pub(crate) unit: Option<&'static str>,
    pub(crate) meaning: &'static str,
    /// Where else its value comes from, and that it is not shown.
    pub(crate) source: Source,
}

/// Where a value comes from beside the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    File,
    /// The first of these variables that is set. It may hold a password, and is not shown.
    SecretVariables(&'static [&'static str]),
}

impl Key {
    /// The name without the tables that it is in.
    pub(crate) fn last(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// The tables that it is in.
    pub(crate) fn table(&self) -> &'static str {
        self.name.rsplit_once('.').map_or("", |(table, _)| table)
    }

    /// As a line of the file.
    pub(crate) fn value(&self) -> &'static str {
        match self.default {
            Some(default) => default,
            None => self.example,
        }
    }

    /// Its name with the names of the user's that are in this path.
    pub(crate) fn called(&self, path: &[String]) -> String {
        let parts: Vec<_> = self.name.split('.').collect();
        let of_user = |(at, part): (usize, &&str)| match path.get(at) {
            Some(given) if *part == NAME && parts.len() == path.len() => given.clone(),
            _ => (*part).to_owned(),
        };
        parts.iter().enumerate().map(of_user).collect::<Vec<_>>().join(".")
    }

    /// Whether what a file calls so is this key.
    pub(crate) fn is_called(&self, path: &[String]) -> bool {
        let parts = self.name.split('.');
        parts.clone().count() == path.len()
            && parts.zip(path).all(|(part, given)| part == NAME || part == given)
    }
}

/// What stands for a name of the user's.
pub(crate) const NAME: &str = "NAME";

const fn set(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    unit: Option<&'static str>,
    meaning: &'static str,
) -> Key {
    let (default, source) = (Some(default), Source::File);
    Key { name, kind, default, example: "", unit, meaning, source }
}

const fn unset(
    name: &'static str,
    kind: Kind,
    example: &'static str,
    meaning: &'static str,
) -> Key {
    Key { name, kind, default: None, example, unit: None, meaning, source: Source::File }
}

use Kind::{
    Address, Any, Choice, File, Hours, Integer, List, Number, Span, SpanOrOff, Text, Truth,
};

const PROXIES: &[&str] = &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// All of them, in the order of the file.
#[rustfmt::skip]
pub(crate) const KEYS: &[Key] = &[
    set("client.requests_per_minute", Integer, "500", Some("requests per minute"), "Requests that all processes with this data directory start in any minute, at most; the service allows 500 for each address"),
    set("client.egress", Text, "\"default\"", None, "Name of the address that requests come from: machines with one database and one name share `client.requests_per_minute`"),
    set("client.in_flight", Integer, "16", Some("requests"), "Concurrent requests, at most: 1 to 256"),
    set("client.connect_timeout_seconds", Integer, "2", Some("seconds"), "Time to connect, name lookup and TLS included"),
    set("client.request_timeout_seconds", Integer, "60", Some("seconds"), "Time for one request"),
    set("client.retry_budget_seconds", Integer, "300", Some("seconds"), "Time for one request with all its retries"),
    Key { source: Source::SecretVariables(PROXIES), ..unset("client.proxy", Text, "\"http://proxy.example.com:3128\"", "HTTP or HTTPS proxy [default: that of the environment]") },

    set("sync.parallel", Integer, "12", Some("applications"), "Applications read at once: 1 to 64"),
    set("sync.page_size", Integer, "500", Some("elements"), "Elements requested for each page: 1 to 500"),
    set("sync.sweep_hours", Integer, "240", Some("hours"), "Within this time an application is read again although its dates did not change"),
    set("sync.audit_share", Number, "0.02", Some("share"), "Part of what syncs leave out that is read completely each day: 0 to 1"),
    set("sync.hint", Choice(&["none", "reporting"]), "\"none\"", None, "Who is asked which applications changed beside their dates: the Reporting API, for which the account needs its role"),
    set("sync.closures_share", Number, "0.5", Some("share"), "Open findings that may close at once without a newer scan: 0 to 1"),
    set("sync.closures_few", Integer, "5", Some("findings"), "This many may close whatever their share is"),
    set("sync.lease_seconds", Integer, "60", Some("seconds"), "Time after which other machines continue what one that no longer answers has claimed: 1 to 3600"),

    Key { source: Source::SecretVariables(&[]), ..unset("store.url", Text, "\"postgres://countersign@db.example.com/countersign\"", "PostgreSQL database that holds what is synced [default: store.sqlite in the data directory]") },
    unset("store.password_file", File, "\"/etc/countersign/store.password\"", "File whose first line is the password of the database [default: COUNTERSIGN_STORE_PASSWORD, or none]"),

    set("schedule.period", Span, "\"6h\"", None, "From the start of one scheduled sync to the start of the next, at least"),
    unset("schedule.windows", List, "[\"mon-fri 20:00-06:00\"]", "When syncs may start: days, hours, or both, such as mon-fri 20:00-06:00 or sat,sun [default: always]"),
    set("schedule.zone", Text, "\"UTC\"", None, "Time zone of the windows: an IANA name, or UTC"),
    set("schedule.jitter", SpanOrOff, "\"10m\"", None, "How long after the opening of a window a sync starts, at most"),
    set("schedule.full_every", SpanOrOff, "\"7d\"", None, "How often every application is read"),
    set("schedule.paused", Truth, "false", None, "No scheduled syncs"),
    unset("schedule.NAME.period", Span, "\"24h\"", "The same for the integration NAME [default: schedule.period]"),
    unset("schedule.NAME.windows", List, "[\"sat,sun\"]", "The same for the integration NAME [default: schedule.windows]"),
    unset("schedule.NAME.zone", Text, "\"Europe/Berlin\"", "The same for the integration NAME [default: schedule.zone]"),
    unset("schedule.NAME.jitter", SpanOrOff, "\"off\"", "The same for the integration NAME [default: schedule.jitter]"),
    unset("schedule.NAME.full_every", SpanOrOff, "\"off\"", "The same for the integration NAME [default: schedule.full_every]"),
    unset("schedule.NAME.paused", Truth, "true", "The same for the integration NAME [default: schedule.paused]"),

    unset("metrics.token_file", File, "\"/etc/countersign/metrics.token\"", "File whose first line, 16 characters or more, is the bearer token for /metrics [default: nobody may read it there]"),
    unset("metrics.listen", Address, "\"127.0.0.1:9464\"", "Address that answers /metrics, /healthz and /readyz alone: without a token on loopback, over TLS with the token elsewhere; as --metrics-listen"),

    unset("api.listen", Address, "\"127.0.0.1:8470\"", "Address that answers the connector API, for other programs: over TLS but on loopback; as --api"),
    set("api.requests_per_minute", Integer, "6000", Some("requests per minute"), "Requests of one token in any minute, at most; a tenth of them may come at once"),
    set("api.in_flight", Integer, "32", Some("requests"), "Concurrent requests of one token, at most: 1 to 1024"),

    set("watch.every", Span, "\"1h\"", None, "Time between two checks of the credentials"),
    unset("watch.quiet_hours", Hours, "\"22:00-07:00\"", "When only urgent notices are sent, in UTC [default: never]"),
    set("watch.escalate_after", Span, "\"12h\"", None, "Time to acknowledge an urgent notice before it is escalated"),
    set("watch.max_skew", Span, "\"60s\"", None, "Accepted difference between the clocks of this machine and of the service"),
    set("watch.rotation_stuck_after", Span, "\"26h\"", None, "Time after which an unfinished rotation is reported"),
    unset("watch.calendar", File, "\"/srv/feeds/credentials.ics\"", "Calendar of expiry dates to keep up to date"),
    unset("watch.metrics", File, "\"/var/lib/node_exporter/countersign.prom\"", "File for the textfile collector of the node exporter"),
    unset("watch.snapshot", File, "\"/srv/feeds/credentials.json\"", "JSON file with credentials and open notices"),
    unset("watch.webhooks[].name", Text, "\"ops\"", "A name of your choice"),
    unset("watch.webhooks[].url", Text, "\"https://hooks.example.com/countersign\"", "Receiver of signed JSON"),
    unset("watch.webhooks[].secret_file", File, "\"/etc/countersign/ops.secret\"", "File whose first line is the signing key, whsec_…, or several; a text of 24 characters or more is a key too"),
    unset("watch.webhooks[].ca_file", File, "\"/etc/countersign/ca.pem\"", "PEM file with a further certificate authority to trust"),
    set("watch.webhooks[].allow_http_loopback", Truth, "false", None, "Allow an http URL on this machine"),
    set("watch.webhooks[].escalation", Truth, "false", None, "Only escalated notices"),
    unset("watch.mails[].name", Text, "\"lead\"", "A name of your choice"),
    unset("watch.mails[].server", Text, "\"smtps://mail.example.com:465\"", "Mail server: smtp://HOST:PORT or smtps://HOST:PORT; user and password from COUNTERSIGN_SMTP_USER and COUNTERSIGN_SMTP_PASSWORD"),
    unset("watch.mails[].from", Text, "\"countersign@example.com\"", "Sender"),
    unset("watch.mails[].to", List, "[\"lead@example.com\"]", "Recipients"),
    set("watch.mails[].escalation", Truth, "false", None, "Only escalated notices"),

    unset("rotation.NAME.mode", Choice(&["administrator", "twins", "self"]), "\"administrator\"", "Who issues the new credentials of the credential NAME [default: administrator]"),
    unset("rotation.NAME.by", Text, "\"admin\"", "Credential of the account that issues them, or of the fallback"),
    unset("rotation.NAME.twin", Text, "\"prod-b\"", "The other of the twins"),
    Key { unit: Some("hours"), ..unset("rotation.NAME.overlap_hours", Integer, "24", "How long the service accepts the old credentials, for self without by") },
    set("rotation.NAME.days_before", Integer, "30", Some("days"), "How long before the expiry"),
    set("rotation.NAME.jitter_hours", Integer, "12", Some("hours"), "How much earlier, at most; derived from the name"),
    unset("rotation.NAME.window", Hours, "\"22:00-04:00\"", "When, in UTC; ignored when three days are left [default: always]"),
    set("rotation.NAME.revoke_old", Truth, "false", None, "Revoke the old credentials once every consumer runs the new ones"),

    set("vault.backend", Choice(&["file", "keyring", "kv", "command"]), "\"file\"", None, "Where secrets are kept"),
    unset("vault.key_file", File, "\"/etc/countersign/vault.key\"", "file: the key that encrypts it [default: vault.key in the data directory]"),
    unset("vault.passphrase_file", File, "\"/etc/countersign/vault.passphrase\"", "file: its first line is the passphrase, instead of a key file [default: COUNTERSIGN_VAULT_PASSPHRASE]"),
    set("vault.keyring.service", Text, "\"countersign\"", None, "keyring: name of the items in it"),
    unset("vault.kv.address", Text, "\"https://vault.example.com:8200\"", "kv: address of HashiCorp Vault or OpenBao; required"),
    set("vault.kv.mount", Text, "\"secret\"", None, "kv: mount of the KV version 2 engine"),
    set("vault.kv.path", Text, "\"countersign\"", None, "kv: folder in it"),
    unset("vault.kv.namespace", Text, "\"team\"", "kv: sent with each request"),
    unset("vault.kv.ca_file", File, "\"/etc/countersign/ca.pem\"", "kv: PEM file with a further certificate authority to trust"),
    set("vault.kv.allow_http_loopback", Truth, "false", None, "kv: allow an http address on this machine"),
    set("vault.kv.timeout_seconds", Integer, "10", Some("seconds"), "kv: time for one request, 1 to 600"),
    set("vault.kv.sign_in", Choice(&["token", "approle", "jwt", "kubernetes"]), "\"token\"", None, "kv: how to sign in"),
    unset("vault.kv.sign_in_mount", Text, "\"approle\"", "kv: where the method is mounted [default: its name]"),
    unset("vault.kv.token_file", File, "\"/etc/countersign/vault.token\"", "kv, token: file with the token"),
    unset("vault.kv.token_env", Text, "\"VAULT_TOKEN\"", "kv, token: environment variable with the token [default: VAULT_TOKEN]"),
    unset("vault.kv.role_id", Text, "\"3f1c…\"", "kv, approle: the role"),
    unset("vault.kv.secret_id_file", File, "\"/etc/countersign/secret-id\"", "kv, approle: file with the secret ID"),
    unset("vault.kv.secret_id_env", Text, "\"VAULT_SECRET_ID\"", "kv, approle: environment variable with the secret ID"),
    unset("vault.kv.role", Text, "\"countersign\"", "kv, jwt and kubernetes: the role"),
    unset("vault.kv.jwt_file", File, "\"/run/secrets/jwt\"", "kv, jwt and kubernetes: file with the JWT [default: kubernetes: that of the pod]"),
    unset("vault.kv.jwt_env", Text, "\"CI_JOB_JWT\"", "kv, jwt and kubernetes: environment variable with the JWT"),
    unset("vault.command.program", File, "\"/usr/local/bin/secrets\"", "command: the program; required"),
    unset("vault.command.args", List, "[\"--team\"]", "command: its arguments"),
    set("vault.command.timeout_seconds", Integer, "30", Some("seconds"), "command: time for one call, 1 to 600"),

    unset("proxy.callers[].name", Text, "\"ci\"", "A name of your choice, for callers that proxy --config-callers accepts"),
    unset("proxy.callers[].token_sha256", Text, "\"9f86…\"", "SHA-256 of the token, in hex, as sha256sum prints it"),
    unset("proxy.callers[].allow", List, "[\"GET /appsec/**\"]", "Rules of what it may request"),

    unset("consumers[].name", Text, "\"cluster\"", "A name of your choice"),
    unset("consumers[].credential", Text, "\"prod\"", "The credential that it receives"),
    unset("consumers[].kind", Choice(&["kubernetes", "variables", "credentials_file", "kv", "webhook", "command"]), "\"kubernetes\"", "The kind of consumer"),
    unset("consumers[].path", File, "\"/srv/deploy/veracode.yaml\"", "variables, kubernetes, credentials_file: the file to write"),
    unset("consumers[].format", Choice(&["lines", "json", "ini", "env", "yaml"]), "\"lines\"", "Format of the file: lines or json for variables; ini, env or yaml for credentials_file [default: lines, or ini]"),
    set("consumers[].profile", Text, "\"default\"", None, "credentials_file, ini: its section"),
    set("consumers[].id_name", Text, "\"VERACODE_API_KEY_ID\"", None, "Name of the API ID"),
    set("consumers[].secret_name", Text, "\"VERACODE_API_KEY_SECRET\"", None, "Name of the Secret Key"),
    unset("consumers[].manifest_name", Text, "\"veracode\"", "kubernetes: name of the Secret"),
    unset("consumers[].namespace", Text, "\"ci\"", "kubernetes: its namespace"),
    unset("consumers[].url", Text, "\"https://hooks.example.com/rotated\"", "webhook: receiver of signed JSON"),
    unset("consumers[].secret_file", File, "\"/etc/countersign/hook.secret\"", "webhook: file whose first line is the signing key, whsec_…, or several; a text of 24 characters or more is a key too"),
    unset("consumers[].ca_file", File, "\"/etc/countersign/ca.pem\"", "webhook: PEM file with a further certificate authority to trust"),
    set("consumers[].allow_http_loopback", Truth, "false", None, "webhook: allow an http URL on this machine"),
    unset("consumers[].command", List, "[\"/usr/local/bin/deploy\"]", "command: program and arguments; the credentials are in its environment"),
    set("consumers[].timeout", Span, "\"60s\"", None, "command: how long it may take"),
    unset("consumers[].kv.address", Text, "\"https://vault.example.com:8200\"", "As vault.kv.address [default: as there]"),
    unset("consumers[].kv.mount", Text, "\"secret\"", "As vault.kv.mount [default: as there]"),
    unset("consumers[].kv.path", Text, "\"team/veracode\"", "kv: the secret to write"),
    unset("consumers[].kv.namespace", Text, "\"team\"", "As vault.kv.namespace [default: as there]"),
    unset("consumers[].kv.ca_file", File, "\"/etc/countersign/ca.pem\"", "As vault.kv.ca_file [default: as there]"),
    unset("consumers[].kv.allow_http_loopback", Truth, "false", "As vault.kv.allow_http_loopback [default: as there]"),
    unset("consumers[].kv.timeout_seconds", Integer, "10", "As vault.kv.timeout_seconds [default: as there]"),
    unset("consumers[].kv.sign_in", Choice(&["token", "approle", "jwt", "kubernetes"]), "\"token\"", "As vault.kv.sign_in [default: as there]"),
    unset("consumers[].kv.sign_in_mount", Text, "\"approle\"", "As vault.kv.sign_in_mount [default: as there]"),
    unset("consumers[].kv.token_file", File, "\"/etc/countersign/vault.token\"", "As vault.kv.token_file [default: as there]"),
    unset("consumers[].kv.token_env", Text, "\"VAULT_TOKEN\"", "As vault.kv.token_env [default: as there]"),
    unset("consumers[].kv.role_id", Text, "\"3f1c…\"", "As vault.kv.role_id [default: as there]"),
    unset("consumers[].kv.secret_id_file", File, "\"/etc/countersign/secret-id\"", "As vault.kv.secret_id_file [default: as there]"),
    unset("consumers[].kv.secret_id_env", Text, "\"VAULT_SECRET_ID\"", "As vault.kv.secret_id_env [default: as there]"),
    unset("consumers[].kv.role", Text, "\"countersign\"", "As vault.kv.role [default: as there]"),
    unset("consumers[].kv.jwt_file", File, "\"/run/secrets/jwt\"", "As vault.kv.jwt_file [default: as there]"),
    unset("consumers[].kv.jwt_env", Text, "\"CI_JOB_JWT\"", "As vault.kv.jwt_env [default: as there]"),

    unset("destinations[].name", Text, "\"appsec\"", "A name of your choice: letters, digits, -, _ and ."),
    unset("destinations[].filter", Text, "\"severity[gte]4 and violates_policy[eq]true\"", "Findings that it is for, in the filter language; those of the policy context unless the filter asks for context [default: all]"),
    set("destinations[].mode", Choice(&["simulate", "live"]), "\"simulate\"", None, "Whether what is planned is sent, or only written down"),
    set("destinations[].group_by", Choice(&["auto", "finding", "component", "cve", "cwe"]), "\"auto\"", None, "What one ticket is about; auto: a version of a component for SCA, else a finding"),
    set("destinations[].max_new", Integer, "25", Some("tickets"), "More new tickets than that in one plan are held until they are approved"),
    set("destinations[].close_vanished", Truth, "false", None, "Close the ticket of findings that a complete sync no longer has, although nobody reported them fixed"),
    set("destinations[].on_human_close", Choice(&["leave", "comment", "reopen"]), "\"comment\"", None, "What happens to a ticket that somebody closed as done while its findings are open"),
    unset("destinations[].secret", Text, "\"appsec\"", "Name of its secret in the vault, as deliver secret stores it [default: the name of the destination]"),
    unset("destinations[].dashboard_url", Text, "\"https://countersign.example.com\"", "Address of the dashboard, for links to findings [default: no links]"),
    set("destinations[].allow_networks", List, "[]", None, "Private networks or addresses that may be reached, such as 10.0.0.0/8; public addresses always may"),
    set("destinations[].allow_http_loopback", Truth, "false", None, "Allow an http URL on this machine; allow_networks has to name its address too"),
    unset("destinations[].ca_file", File, "\"/etc/countersign/ca.pem\"", "PEM file with a further certificate authority to trust"),
    Key { source: Source::SecretVariables(&[]), ..unset("destinations[].proxy", Text, "\"http://proxy.example.com:3128\"", "HTTP or HTTPS proxy that leads to it [default: none]") },
    set("destinations[].proxy_resolves", Truth, "false", None, "Only the proxy knows the addresses of names: they are not checked here"),
    unset("destinations[].ticket.title", Text, "\"{severity}: {title}\"", "Title of a ticket; names in braces: severity, title, application, cwe, weakness, place, component, version, cve, count [default: one that fits the group]"),
    set("destinations[].ticket.labels", List, "[]", None, "Labels of every ticket"),
    Key { unit: Some("days"), ..unset("destinations[].ticket.due_days.very_high", Integer, "7", "Time to fix findings of severity 5, from when they were first found, where no grace period applies [default: no due date]") },
    Key { unit: Some("days"), ..unset("destinations[].ticket.due_days.high", Integer, "30", "Time to fix findings of severity 4, from when they were first found, where no grace period applies [default: no due date]") },
    Key { unit: Some("days"), ..unset("destinations[].ticket.due_days.medium", Integer, "90", "Time to fix findings of severity 3, from when they were first found, where no grace period applies [default: no due date]") },
    Key { unit: Some("days"), ..unset("destinations[].ticket.due_days.low", Integer, "180", "Time to fix findings of severity 2, from when they were first found, where no grace period applies [default: no due date]") },
    Key { unit: Some("days"), ..unset("destinations[].ticket.due_days.very_low", Integer, "365", "Time to fix findings of severity 1, from when they were first found, where no grace period applies [default: no due date]") },
    Key { unit: Some("days"), ..unset("destinations[].ticket.due_days.informational", Integer, "365", "Time to fix findings of severity 0, from when they were first found, where no grace period applies [default: no due date]") },
    unset("destinations[].ticket.assignees.NAME", Text, "\"alex\"", "Who tickets of the application, else of the team, NAME are assigned to, as the receiver names users; * stands for all others"),
    unset("destinations[].webhook.url", Text, "\"https://hooks.example.com/findings\"", "webhook: receiver of Standard Webhooks; its secret is a signing key whsec_…, or several"),
    unset("destinations[].syslog.host", Text, "\"logs.example.com\"", "syslog: name or address of the receiver, over TLS"),
    set("destinations[].syslog.port", Integer, "6514", None, "syslog: port"),
    set("destinations[].syslog.facility", Choice(&["user", "daemon", "auth", "authpriv", "audit", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]), "\"local0\"", None, "syslog: facility of the records"),
    set("destinations[].syslog.enterprise", Integer, "32473", None, "syslog: private enterprise number in the structured data; the default is the one for examples"),
    unset("destinations[].syslog.hostname", Text, "\"countersign.example.com\"", "syslog: name of this machine in the records [default: none]"),
    set("destinations[].syslog.format", Choice(&["ocsf"]), "\"ocsf\"", None, "syslog: what a record contains"),
    unset("destinations[].github_issues.repository", Text, "\"example/shop\"", "github_issues: owner/name of the repository"),
    set("destinations[].github_issues.api_url", Text, "\"https://api.github.com\"", None, "github_issues: address of the API; https://HOST/api/v3 of a GitHub Enterprise Server"),
    set("destinations[].github_issues.labels", List, "[]", None, "github_issues: labels of every issue, beside countersign and that of the severity"),
    set("destinations[].github_issues.severity_labels.very_high", Text, "\"severity::very-high\"", None, "github_issues: label of this severity; an empty text is none"),
    set("destinations[].github_issues.severity_labels.high", Text, "\"severity::high\"", None, "github_issues: label of this severity; an empty text is none"),
    set("destinations[].github_issues.severity_labels.medium", Text, "\"severity::medium\"", None, "github_issues: label of this severity; an empty text is none"),
    set("destinations[].github_issues.severity_labels.low", Text, "\"severity::low\"", None, "github_issues: label of this severity; an empty text is none"),
    set("destinations[].github_issues.severity_labels.very_low", Text, "\"severity::low\"", None, "github_issues: label of this severity; an empty text is none"),
    set("destinations[].github_issues.severity_labels.informational", Text, "\"\"", None, "github_issues: label of this severity; an empty text is none"),
    set("destinations[].code_scanning.api_url", Text, "\"https://api.github.com\"", None, "code_scanning: address of the API; https://HOST/api/v3 of a GitHub Enterprise Server"),
    unset("destinations[].code_scanning.repositories.NAME.repository", Text, "\"example/shop\"", "code_scanning: owner/name of the repository of the application NAME, by name or guid"),
    unset("destinations[].code_scanning.repositories.NAME.ref", Text, "\"main\"", "code_scanning: branch that alerts are shown for [default: the default branch]"),
    unset("destinations[].code_scanning.repositories.NAME.strip", Text, "\"build/src\"", "code_scanning: folders that paths of findings begin with and paths of the repository do not [default: none]"),
    unset("destinations[].code_scanning.repositories.NAME.prefix", Text, "\"backend\"", "code_scanning: folders that paths of the repository begin with and paths of findings do not [default: none]"),
    unset("destinations[].jira.url", Text, "\"https://example.atlassian.net\"", "jira: address of Jira"),
    unset("destinations[].jira.edition", Choice(&["cloud", "data_center"]), "\"cloud\"", "jira: edition of Jira"),
    unset("destinations[].jira.user", Text, "\"robot@example.com\"", "jira: account of the API token, at Cloud its e-mail address [default: none, and the secret is a personal access token]"),
    unset("destinations[].jira.project", Text, "\"SHOP\"", "jira: key of the project"),
    set("destinations[].jira.issue_type", Text, "\"Bug\"", None, "jira: name of the type of issues"),
    unset("destinations[].jira.priorities.NAME", Text, "\"Highest\"", "jira: name of the priority of severity NAME, 0 to 5 [default: Highest, High, Medium, Low, Lowest for 5 to 1]"),
    unset("destinations[].jira.done_transition", Text, "\"Done\"", "jira: transition that closes what is fixed [default: one to a status of the category done]"),
    unset("destinations[].jira.refused_transition", Text, "\"Won't do\"", "jira: transition that closes what is mitigated or a false positive [default: one that leads to such a status, else as what is fixed]"),
    unset("destinations[].jira.reopen_transition", Text, "\"Reopen\"", "jira: transition that reopens [default: one to a status of the category to do, else in progress]"),
    unset("destinations[].jira.resolution", Text, "\"Done\"", "jira: resolution of what is fixed [default: Done or Fixed, whichever exists]"),
    unset("destinations[].jira.refused_resolution", Text, "\"Won't Do\"", "jira: resolution of what is mitigated or a false positive [default: Won't Do or the like, whichever exists]"),
    unset("destinations[].jira.fields.NAME", Any, "{ value = \"AppSec\" }", "jira: value of the further field with the id NAME, as the REST API accepts it"),
    set("destinations[].jira.labels", List, "[]", None, "jira: labels of every issue, beside its own"),
    unset("destinations[].redmine.url", Text, "\"https://redmine.example.com\"", "redmine: address of Redmine"),
    unset("destinations[].redmine.project", Text, "\"shop\"", "redmine: identifier of the project, as in its address"),
    unset("destinations[].redmine.tracker", Text, "\"Bug\"", "redmine: name of the tracker [default: the first of the project]"),
    set("destinations[].redmine.markup", Choice(&["textile", "markdown"]), "\"textile\"", None, "redmine: markup that Redmine is set to"),
    unset("destinations[].redmine.priorities.NAME", Text, "\"Urgent\"", "redmine: name of the priority of severity NAME, 0 to 5 [default: Urgent for 5, High, Normal, and Low for 2 and less]"),
    unset("destinations[].redmine.done_status", Text, "\"Closed\"", "redmine: status of what is fixed [default: Closed, else the first allowed one that closes]"),
    unset("destinations[].redmine.refused_status", Text, "\"Rejected\"", "redmine: status of what is mitigated or a false positive [default: Rejected, else as what is fixed]"),
    unset("destinations[].redmine.reopen_status", Text, "\"New\"", "redmine: status of what is open again [default: the first allowed one that is open]"),
    unset("destinations[].redmine.fields.NAME", Any, "\"AppSec\"", "redmine: value of the custom field with the id NAME"),
    unset("destinations[].defectdojo.url", Text, "\"https://defectdojo.example.com\"", "defectdojo: address of the server"),
    set("destinations[].defectdojo.product", Text, "\"{application}\"", None, "defectdojo: name of the product; {application} and {guid} stand for those of the application"),
    set("destinations[].defectdojo.product_type", Text, "\"Research and Development\"", None, "defectdojo: product type of new products"),
    set("destinations[].defectdojo.engagement", Text, "\"countersign\"", None, "defectdojo: name of the engagement"),
    set("destinations[].defectdojo.test", Text, "\"countersign {guid}\"", None, "defectdojo: title of the test; each application needs its own"),
    set("destinations[].defectdojo.do_not_reactivate", Truth, "false", None, "defectdojo: findings that users closed stay closed"),
    set("destinations[].defectdojo.close_vanished", Truth, "false", None, "defectdojo: close open findings that a complete sync no longer has"),
    set("destinations[].defectdojo.max_megabytes", Integer, "100", Some("megabytes"), "defectdojo: largest file that the server accepts"),
    unset("destinations[].slack.channel", Text, "\"C0123456789\"", "slack: id of the channel; the secret is then a bot token [default: none, and the secret is the URL of an incoming webhook]"),
    set("destinations[].slack.api_url", Text, "\"https://slack.com/api/\"", None, "slack: address of the API, with a channel"),
    set("destinations[].slack.messages", Choice(&["digest", "single"]), "\"digest\"", None, "slack: a summary of all changes, or a message for each"),
    set("destinations[].slack.every_hours", Integer, "24", Some("hours"), "slack: time between two summaries, 1 to 720"),
    set("destinations[].teams.messages", Choice(&["digest", "single"]), "\"digest\"", None, "teams: a summary of all changes, or a message for each"),
    set("destinations[].teams.every_hours", Integer, "24", Some("hours"), "teams: time between two summaries, 1 to 720"),
    unset("destinations[].mail.server", Text, "\"smtps://mail.example.com:465\"", "mail: smtps://HOST:PORT, or smtp://HOST:PORT with STARTTLS"),
    unset("destinations[].mail.user", Text, "\"countersign\"", "mail: user to sign in as; the secret is the password [default: none]"),
    unset("destinations[].mail.from", Text, "\"countersign@example.com\"", "mail: sender"),
    unset("destinations[].mail.to", List, "[\"appsec@example.com\"]", "mail: recipients, all in one mail"),
    set("destinations[].mail.subject", Text, "\"countersign\"", None, "mail: what subjects begin with; another subject is another thread"),
    set("destinations[].mail.every_hours", Integer, "24", Some("hours"), "mail: time between two summaries, 1 to 720"),
    unset("destinations[].lake.folder", File, "\"/srv/lake\"", "lake: folder to write to; either this or a bucket"),
    unset("destinations[].lake.bucket.name", Text, "\"security-lake\"", "lake: name of the bucket; the secret is ACCESS_KEY_ID:SECRET_ACCESS_KEY"),
    unset("destinations[].lake.bucket.region", Text, "\"eu-central-1\"", "lake: region of the bucket"),
    unset("destinations[].lake.bucket.endpoint", Text, "\"https://s3.example.com\"", "lake: address of the store [default: that of AWS in the region]"),
    unset("destinations[].lake.bucket.path_style", Truth, "true", "lake: the bucket's name is in the path, not in the host [default: not at AWS]"),
    set("destinations[].lake.prefix", Text, "\"\"", None, "lake: beginning of all names"),
    set("destinations[].lake.format", Choice(&["ndjson", "parquet"]), "\"ndjson\"", None, "lake: OCSF as NDJSON, or rows as Parquet"),
    unset("destinations[].lake.account_id", Text, "\"123456789012\"", "lake: accountId in names [default: external]"),
    unset("destinations[].lake.region", Text, "\"eu-central-1\"", "lake: region in names [default: that of the bucket; local]"),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use crate::config::Config;

    use super::*;

    /// The keys of a table, as the parser names them when it meets one that it does not know.
    fn taken(table: &str) -> BTreeSet<String> {
        let path = table.replace(NAME, "name");
        // Of a table within one of several, only the last is what it is about.
        let header = match path.strip_suffix("[]") {
            Some(path) => format!("[[{path}]]"),
            None => format!("[{}]", path.replace("[]", "")),
        };
        let before = match path.split_once("[].") {
            Some((outer, _)) => format!("[[{outer}]]\n"),
            None => String::new(),
        };
        let text = format!("{before}{header}\nno_key_of_ours = 1\n");
        let told = toml::from_str::<Config>(&text).unwrap_err().to_string();
        let list = told.split("expected").nth(1).unwrap_or_else(|| panic!("{text}: {told}"));
        let words = list.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let is_key = |word: &&str| {
            !word.is_empty()
                && !["one", "of", "or", "the", "table", "an", "integration"].contains(word)
        };
        words.filter(is_key).map(str::to_owned).collect()
    }

    #[test]
    fn the_table_has_the_keys_that_the_parser_takes() {
        let mut tables: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for key in KEYS {
            assert!(
                tables.entry(key.table()).or_default().insert(key.last().to_owned()),
                "{key:?}"
            );
        }
        let is_within = |table: &str, key: &str| {
            let path = format!("{table}.{key}");
            KEYS.iter().any(|one| {
                one.name.starts_with(&format!("{path}."))
                    || one.name.starts_with(&format!("{path}[]"))
            })
        };
        // Of a table whose keys are names of the user's, the parser takes all.
        tables.retain(|_, known| !known.contains(NAME));
        for (table, mut known) in tables {
            let taken = taken(table);
            known.extend(taken.iter().filter(|key| is_within(table, key)).cloned());
            assert_eq!(known, taken, "[{table}]");
        }
        let said = toml::from_str::<Config>("no_key_of_ours = 1").unwrap_err().to_string();
        for key in KEYS {
            let first = key.name.split(['.', '[']).next().unwrap();
            assert!(said.contains(&format!("`{first}`")), "{first}: {said}");
        }
    }

    #[test]
    fn a_default_is_what_holds_without_it() {
        let usual = format!("{:?}", Config::default());
        let mut seen = 0;
        for key in KEYS.iter().filter(|key| !key.name.contains(['[']) && !key.name.contains(NAME)) {
            let Some(default) = key.default else { continue };
            let text = format!("{} = {default}", key.name);
            let config: Config = toml::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
            seen += 1;
            // What is kept as it was written differs from what was not.
            let is_kept = key.name.starts_with("schedule.")
                || key.name.starts_with("vault.k")
                || key.name.starts_with("vault.command")
                || key.name == "client.connect_timeout_seconds";
            assert!(is_kept || format!("{config:?}") == usual, "{text}");
            assert_eq!(config.schedule.usual(), Config::default().schedule.usual(), "{text}");
            assert_eq!(config.client.connect_timeout(), Config::default().client.connect_timeout());
        }
        assert!(seen > 20);
    }

    #[test]
    fn every_example_can_be_read() {
        for key in KEYS.iter().filter(|key| !key.name.contains("[]")) {
            let text = format!("{} = {}", key.name.replace(NAME, "name"), key.value());
            toml::from_str::<Config>(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }
}
