//! Syslog as RFC 5424 over TLS as RFC 5425: each change is a record with an event of OCSF,
//! the id of the delivery and its position in the feed.
//!
//! ```text
//! <131>1 2026-05-01T00:00:00.000Z - countersign - new [countersign@32473 id="…" seq="7"] {…}
//! ```
//!
//! Syslog has no answers: what is in the buffers of a connection that breaks is lost, and the
//! sender never knows. So the records of one call go over a connection of their own, which is
//! closed at their end, and count as taken when the receiver has closed its side after that: it
//! does so when it has read everything, and a connection with something unread is reset. After
//! a reset all records of the call are sent again; their ids are the same. What remains is a
//! receiver that ends in the moment in which the last record is on its way to it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use countersign_connector::export::item;
use countersign_findings::Rfc3339;
use countersign_formats::ocsf::{Ocsf, Shape};
use countersign_formats::{Export as _, Head, Paths};
use countersign_store::ChangeKind;
use futures::FutureExt;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls_platform_verifier::Verifier;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::gate::{Barred, literal};
use crate::http::{CONNECT, Reach, certificate, said, said_io};
use crate::receiver::{Bundle, Digest, Event, Parcel, Stream, Taken, Verdict};
use crate::receivers::Access;
use crate::shorten::{Plan, Step, shorten};
use crate::wire::Doing;

/// Of a whole record. rsyslog splits what is longer than 8,096 bytes.
const RECORD_BYTES: usize = 8_000;
/// Of an id, and of what is before the event besides it.
const ID_BYTES: usize = 64;
const HEAD_BYTES: usize = 500;
const WRITE: Duration = Duration::from_secs(30);
const CLOSE: Duration = Duration::from_secs(10);
/// Stands for the id until it is sent.
const NO_ID: &str = r#" id="-" "#;

const PLAN: Plan = Plan {
    most: RECORD_BYTES - ID_BYTES - HEAD_BYTES,
    steps: &[
        Step::Drop("/unmapped"),
        Step::Cut("/finding_info/desc"),
        Step::Cut("/remediation/desc"),
        Step::Drop("/remediation"),
        Step::Clip,
        Step::Drop("/resources"),
        Step::Drop("/compliance"),
        Step::Drop("/vulnerabilities"),
        Step::Drop("/application/tags"),
        Step::Drop("/application/labels"),
        Step::Only("", CORE),
    ],
    // OCSF leaves the inside of this object to whoever writes it.
    note: |event, left_out| {
        event["unmapped"]["countersign"] = json!({ "shortened": left_out });
    },
};

/// What no event goes without.
const CORE: &[&str] = &[
    "activity_id",
    "activity_name",
    "category_uid",
    "category_name",
    "class_uid",
    "class_name",
    "type_uid",
    "type_name",
    "time",
    "severity_id",
    "severity",
    "status_id",
    "status",
    "message",
    "metadata",
    "finding_info",
    "unmapped",
];

/// Where records go, and how they are marked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name or address of the receiver. Its certificate has to have it.
    pub host: String,
    /// Port, 6514 by default.
    #[serde(default = "port")]
    pub port: u16,
    /// Facility of the records, `local0` by default.
    #[serde(default)]
    pub facility: Facility,
    /// Private enterprise number after `countersign@` in the structured data. The default,
    /// 32473, is the one for examples: put your own there if receivers check it.
    #[serde(default = "enterprise")]
    pub enterprise: u32,
    /// Name of this machine in the records, 255 characters at most; none by default.
    #[serde(default)]
    pub hostname: Option<String>,
    /// What a record holds, `ocsf` by default.
    #[serde(default)]
    pub format: Format,
}

/// Facilities that programs may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Facility {
    /// 1.
    User = 1,
    /// 3.
    Daemon = 3,
    /// 4.
    Auth = 4,
    /// 10.
    Authpriv = 10,
    /// 13.
    Audit = 13,
    /// 16.
    #[default]
    Local0 = 16,
    /// 17.
    Local1 = 17,
    /// 18.
    Local2 = 18,
    /// 19.
    Local3 = 19,
    /// 20.
    Local4 = 20,
    /// 21.
    Local5 = 21,
    /// 22.
    Local6 = 22,
    /// 23.
    Local7 = 23,
}

/// What a record holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An Application Security Posture Finding (2007) of OCSF 1.6.0, as JSON.
    #[default]
    Ocsf,
}

fn port() -> u16 {
    6514
}

fn enterprise() -> u32 {
    32473
}

impl Settings {
    /// Host and port.
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// A receiver of syslog.
pub struct Syslog {
    settings: Settings,
    reach: Reach,
    tls: TlsConnector,
    name: ServerName<'static>,
}

impl Syslog {
    /// The secret is a certificate with its key, as PEM, for receivers that want one of
    /// their clients; else it is empty.
    ///
    /// # Errors
    ///
    /// One sentence about a setting or a certificate.
    pub fn new(settings: Settings, access: &Access, reach: Reach) -> Result<Self, String> {
        let name = match literal(&settings.host) {
            Some(address) => ServerName::IpAddress(address.into()),
            None => ServerName::try_from(settings.host.clone())
                .map_err(|_| "`host` is neither a name nor an address")?,
        };
        if reach.proxy.is_some() {
            return Err("syslog does not go through a proxy".into());
        }
        let hostname = settings.hostname.as_deref().unwrap_or("-");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
        if hostname.is_empty() || hostname.len() > 255 || !hostname.chars().all(is_plain) {
            return Err("`hostname` is not a name of a machine".into());
        }
        let tls = TlsConnector::from(Arc::new(config(reach.ca_pem.as_deref(), &access.secret)?));
        Ok(Self { settings, reach, tls, name })
    }

    /// What is before the event. Nothing in it is foreign.
    fn head(&self, level: u8, at_ms: i64, kind: &str, seq: i64) -> String {
        let priority = self.settings.facility as u8 * 8 + level;
        let at = Rfc3339::of(at_ms).to_string();
        let at = if at.starts_with(|c: char| c.is_ascii_digit()) { at.as_str() } else { "-" };
        let hostname = self.settings.hostname.as_deref().unwrap_or("-");
        let enterprise = self.settings.enterprise;
        format!(
            r#"<{priority}>1 {at} {hostname} countersign - {kind} [countersign@{enterprise}{NO_ID}seq="{seq}"] "#
        )
    }

    /// All of them, or why not even the first is certain.
    async fn deliver(&self, frames: &[Vec<u8>]) -> Result<Taken, Verdict> {
        let connecting = timeout(CONNECT, self.connect()).await;
        let slow =
            |_| Verdict::later(format!("no connection was made within {} s", CONNECT.as_secs()));
        let mut stream = connecting.map_err(slow)??;
        for frame in frames {
            within(WRITE, stream.write_all(frame)).await?;
        }
        within(WRITE, stream.flush()).await?;
        check_open(&mut stream)?;
        within(WRITE, stream.shutdown()).await?;
        close(stream).await
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, Verdict> {
        let addresses = self.reach.gate.resolve(&self.settings.host, self.settings.port).await;
        let addresses = addresses.map_err(|why| match why {
            Barred::Unknown(why) => Verdict::later(why),
            Barred::Forbidden(why) => Verdict::Settings(why),
        })?;
        let failed = |error: io::Error| match certificate(&error) {
            Some(why) => Verdict::Settings(why),
            None => Verdict::later(format!("no connection could be made: {}", said_io(&error))),
        };
        let stream = TcpStream::connect(&addresses[..]).await.map_err(failed)?;
        self.tls.connect(self.name.clone(), stream).await.map_err(failed)
    }
}

/// Fails if the receiver closed its side before it was asked to.
fn check_open(stream: &mut TlsStream<TcpStream>) -> Result<(), Verdict> {
    let mut said = [0; 1024];
    match stream.read(&mut said).now_or_never() {
        None | Some(Ok(1..)) => Ok(()),
        Some(Ok(0)) => Err(unsure("the receiver closed the connection".into())),
        Some(Err(error)) => Err(broken(&error)),
    }
}

/// Waits until the receiver has closed its side.
async fn close(mut stream: TlsStream<TcpStream>) -> Result<Taken, Verdict> {
    let mut said = [0; 1024];
    let closing = async {
        while stream.read(&mut said).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    match timeout(CLOSE, closing).await {
        // TCP may be closed in order and TLS not.
        Ok(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => Err(broken(&error)),
        // An end that came before a reset hides it.
        Ok(_) => match stream.get_ref().0.take_error() {
            Ok(None) => Ok(Taken::default()),
            Ok(Some(error)) | Err(error) => Err(broken(&error)),
        },
        // Some wait for more. Then nobody can know, as ever with syslog.
        Err(_) => Ok(Taken {
            remark: Some("the receiver did not confirm that it read everything".into()),
            ..Taken::default()
        }),
    }
}

async fn within(
    most: Duration,
    writing: impl Future<Output = io::Result<()>>,
) -> Result<(), Verdict> {
    match timeout(most, writing).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(broken(&error)),
        Err(_) => Err(unsure(format!("nothing was read for {} s", most.as_secs()))),
    }
}

/// With TLS 1.3 a receiver that does not like the certificate of its client says so late.
fn broken(error: &io::Error) -> Verdict {
    let alert = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match alert {
        Some(alert @ rustls::Error::AlertReceived(_)) => {
            Verdict::Settings(format!("the receiver refuses the connection: {}", said(alert)))
        }
        _ => unsure(format!("the connection broke: {}", said_io(error))),
    }
}

fn unsure(why: String) -> Verdict {
    Verdict::Passing { why, is_unsure: true, after_ms: None }
}

/// What the system trusts and these certificates, and the certificate of this end.
fn config(ca_pem: Option<&[u8]>, identity_pem: &str) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = match ca_pem {
        Some(pem) => certificates(pem, "the CA file")?,
        None => Vec::new(),
    };
    let wrong = |error: rustls::Error| format!("TLS: {}", said(&error));
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(wrong)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    if identity_pem.trim().is_empty() {
        return Ok(builder.with_no_client_auth());
    }
    let chain = certificates(identity_pem.as_bytes(), "the secret")?;
    let key = PrivateKeyDer::from_pem_slice(identity_pem.as_bytes())
        .map_err(|_| "the secret has no private key beside its certificate")?;
    let unfit = |_| "the private key in the secret cannot be used".to_owned();
    builder.with_client_auth_cert(chain, key).map_err(unfit)
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match read {
        Ok(read) if !read.is_empty() => Ok(read),
        _ => Err(format!("{what} holds no certificate that can be read")),
    }
}

/// A record under its id, with its length before it.
fn frame(parcel: &Parcel) -> Result<Vec<u8>, Verdict> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if parcel.uid.len() > ID_BYTES || !parcel.uid.chars().all(is_plain) {
        return Err(Verdict::Refused("its id holds what records cannot".into()));
    }
    let record = parcel.body.replacen(NO_ID, &format!(r#" id="{}" "#, parcel.uid), 1);
    Ok(format!("{} {record}", record.len()).into_bytes())
}

impl Stream for Syslog {
    fn bundle(&self) -> Bundle {
        Bundle::Changes(1)
    }

    fn render(&self, events: &[Event<'_>]) -> Result<String, String> {
        let [event] = events else { return Err("a record has one change".into()) };
        let change = event.change;
        let mut ocsf = ocsf(event).map_err(|error| error.to_string())?;
        let level = level(change.kind, change.severity);
        let head = self.head(level, change.at_ms, change.kind.as_str(), change.seq);
        Ok(head + &shorten(&mut ocsf, &PLAN)?)
    }

    fn summary(&self, _: &Digest) -> Result<String, String> {
        Err("syslog gets changes, and no summaries".into())
    }

    fn send<'r>(&'r self, parcels: &'r [Parcel]) -> Doing<'r, Vec<Verdict>> {
        Box::pin(async move {
            let (mut frames, mut refused) = (Vec::with_capacity(parcels.len()), None);
            for parcel in parcels {
                match frame(parcel) {
                    Ok(frame) => frames.push(frame),
                    Err(verdict) => {
                        refused = Some(verdict);
                        break;
                    }
                }
            }
            if frames.is_empty() {
                return refused.into_iter().collect();
            }
            match self.deliver(&frames).await {
                Ok(taken) => {
                    let taken = std::iter::repeat_n(Verdict::Taken(taken), frames.len());
                    taken.chain(refused).collect()
                }
                Err(verdict) => vec![verdict],
            }
        })
    }

    fn probe(&self, now_ms: i64) -> Doing<'_, Verdict> {
        Box::pin(async move {
            let body = self.head(6, now_ms, "test", 0) + r#"{"message":"countersign: a test"}"#;
            let uid = format!("test_{now_ms}");
            let parcel = Parcel { uid, from_seq: 0, to_seq: 0, body, attempts: 0, now_ms };
            self.send(std::slice::from_ref(&parcel))
                .await
                .pop()
                .unwrap_or_else(|| Verdict::later("nothing was sent"))
        })
    }
}

/// The event, as an export writes it.
fn ocsf(event: &Event<'_>) -> io::Result<Value> {
    let head = Head {
        version: env!("CARGO_PKG_VERSION").into(),
        made_ms: event.change.at_ms,
        filter: String::new(),
        total: 1,
        with_raw: false,
        paths: Paths::default(),
    };
    let mut written = Vec::new();
    Ocsf::new(&mut written, &head, Shape::Posture).finding(&item(event.row, event.application))?;
    Ok(serde_json::from_slice(&written)?)
}

/// Severity of syslog: critical to informational.
fn level(kind: ChangeKind, severity: u8) -> u8 {
    match (kind, severity) {
        (ChangeKind::Closed, _) | (_, 0 | 1) => 6,
        (_, 2) => 5,
        (_, 3) => 4,
        (_, 4) => 3,
        _ => 2,
    }
}
