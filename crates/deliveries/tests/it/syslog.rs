use std::sync::{Arc, Mutex};

use countersign_deliveries::http::Reach;
use countersign_deliveries::receiver::{Bundle, Parcel, Stream, Verdict};
use countersign_deliveries::receivers::Access;
use countersign_deliveries::receivers::syslog::{Settings, Syslog};
use countersign_store::ChangeKind;
use countersign_text::is_odd;
use proptest::prelude::*;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::door::acceptor;
use crate::fake::Fake;
use crate::gate::{gate, leading};
use crate::rows::{Row, START_MS, cast, flaw, hostile, row};

/// What a receiver does with a connection.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Reads to the end and closes.
    Reads,
    /// Closes after the handshake.
    Closes,
    /// Closes after the beginning of a record.
    Breaks,
}

struct Collector {
    port: u16,
    ca_pem: Vec<u8>,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    connections: Arc<Mutex<usize>>,
    manner: Arc<Mutex<Manner>>,
}

impl Collector {
    async fn new(manner: Manner) -> Self {
        let (tls, ca_pem) = acceptor([127, 0, 0, 1].into());
        Self::with(tls, ca_pem, manner).await
    }

    async fn with(tls: TlsAcceptor, ca_pem: Vec<u8>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, connections) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<usize>>::default());
        let manner = Arc::new(Mutex::new(manner));
        let (held, counted, how) = (seen.clone(), connections.clone(), manner.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                let manner = *how.lock().unwrap();
                let Ok(mut stream) = tls.accept(stream).await else { continue };
                let mut bytes = Vec::new();
                match manner {
                    Manner::Closes => continue,
                    Manner::Breaks => drop(stream.read_u8().await),
                    Manner::Reads => drop(stream.read_to_end(&mut bytes).await),
                }
                held.lock().unwrap().push(bytes);
            }
        });
        Self { port, ca_pem, seen, connections, manner }
    }

    /// What came over each connection, record by record.
    fn records(&self) -> Vec<Vec<String>> {
        self.seen.lock().unwrap().iter().map(|bytes| records(bytes)).collect()
    }
}

/// Takes octet counting apart.
fn records(mut bytes: &[u8]) -> Vec<String> {
    let mut records = Vec::new();
    while let Some(at) = bytes.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&bytes[..at]).unwrap().parse().unwrap();
        let (record, rest) = bytes[at + 1..].split_at(length);
        records.push(String::from_utf8(record.to_vec()).unwrap());
        bytes = rest;
    }
    assert!(bytes.is_empty());
    records
}

fn access(secret: &str) -> Access {
    Fake::new(|_| unreachable!("syslog is not HTTP")).access(secret)
}

fn settings(host: &str, port: u16) -> Settings {
    serde_json::from_value(json!({"host": host, "port": port})).unwrap()
}

fn reach(collector: &Collector, networks: &[&str]) -> Reach {
    let gate = leading(gate(networks), &["127.0.0.1"]);
    Reach { ca_pem: Some(collector.ca_pem.clone()), ..Reach::new(gate) }
}

fn syslog(collector: &Collector, host: &str, networks: &[&str]) -> Syslog {
    let settings = settings(host, collector.port);
    Syslog::new(settings, &access(""), reach(collector, networks)).unwrap()
}

fn parcel(uid: &str, body: String) -> Parcel {
    Parcel { uid: uid.into(), from_seq: 7, to_seq: 7, body, attempts: 0, now_ms: START_MS }
}

fn rendered(syslog: &Syslog, row: &Row, kind: ChangeKind) -> String {
    syslog.render(&[row.event(&row.change(kind))]).unwrap()
}

/// The event of a record.
fn event(record: &str) -> Value {
    serde_json::from_str(record.split_once("] ").unwrap().1).unwrap()
}

#[tokio::test]
async fn settings_that_are_refused() {
    let collector = Collector::new(Manner::Reads).await;
    let refused = |settings: Value, secret: &str, reach: Reach| {
        let settings = serde_json::from_value::<Settings>(settings).unwrap();
        let why = Syslog::new(settings, &access(secret), reach).err().unwrap();
        assert!(!why.contains("hush"), "{why}");
        why
    };
    let reach = || reach(&collector, &[]);
    let host = |host: &str| json!({ "host": host });
    assert!(refused(host("no host"), "", reach()).contains("`host`"));
    assert!(refused(host(""), "", reach()).contains("`host`"));
    for name in ["", "a b", "a\nb", "a\"b", &"x".repeat(256)] {
        let why = refused(json!({"host": "h.example.com", "hostname": name}), "", reach());
        assert!(why.contains("`hostname`"), "{why}");
    }
    let host = host("h.example.com");
    assert!(refused(host.clone(), "hush", reach()).contains("no certificate"));
    let own = String::from_utf8(collector.ca_pem.clone()).unwrap();
    assert!(refused(host.clone(), &own, reach()).contains("no private key"));
    let no_ca = Reach { ca_pem: Some(b"hush".to_vec()), ..reach() };
    assert!(refused(host.clone(), "", no_ca).contains("CA file"));
    let proxy = Some(url::Url::parse("http://127.0.0.1").unwrap());
    assert!(refused(host, "", Reach { proxy, ..reach() }).contains("proxy"));
    for unknown in
        [json!({}), json!({"host": "h", "prot": 1}), json!({"host": "h", "facility": "kern"})]
    {
        assert!(serde_json::from_value::<Settings>(unknown).is_err());
    }
}

#[tokio::test]
async fn what_is_forbidden_is_not_connected_to() {
    let collector = Collector::new(Manner::Reads).await;
    for host in ["127.0.0.1", "0x7f.1", "::ffff:127.0.0.1", "hook.example.com"] {
        let verdict = syslog(&collector, host, &[]).probe(START_MS).await;
        assert!(matches!(verdict, Verdict::Settings(_)), "{host}: {verdict:?}");
    }
    assert_eq!(*collector.connections.lock().unwrap(), 0);
    // A certificate of somebody else, and one of another name.
    let other = Collector::new(Manner::Reads).await;
    let stranger = Reach { ca_pem: Some(other.ca_pem), ..reach(&collector, &["127.0.0.1"]) };
    let settings = settings("127.0.0.1", collector.port);
    let stranger = Syslog::new(settings, &access(""), stranger).unwrap();
    let renamed = syslog(&collector, "other.example.com", &["127.0.0.1"]);
    for syslog in [stranger, renamed] {
        let verdict = syslog.probe(START_MS).await;
        assert!(
            matches!(&verdict, Verdict::Settings(why) if why.contains("certificate")),
            "{verdict:?}"
        );
    }
    assert_eq!(collector.records().concat(), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_connection_nothing_arrived() {
    let collector = Collector::new(Manner::Reads).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let reach = reach(&collector, &["127.0.0.1"]);
    let syslog = Syslog::new(settings("127.0.0.1", port), &access(""), reach).unwrap();
    let verdict = syslog.probe(START_MS).await;
    assert!(matches!(verdict, Verdict::Passing { is_unsure: false, .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_makes_all_of_its_records_unsure() {
    let collector = Collector::new(Manner::Closes).await;
    let syslog = syslog(&collector, "127.0.0.1", &["127.0.0.1"]);
    let row = row(flaw("a")).await;
    let body = rendered(&syslog, &row, ChangeKind::New);
    let parcels = [parcel("a", body.clone()), parcel("b", body.clone()), parcel("c", body)];
    for manner in [Manner::Closes, Manner::Breaks] {
        *collector.manner.lock().unwrap() = manner;
        for _ in 0..20 {
            let verdicts = syslog.send(&parcels).await;
            assert!(
                matches!(&verdicts[..], [Verdict::Passing { is_unsure: true, .. }]),
                "{verdicts:?}"
            );
        }
    }
    // The next call connects anew.
    *collector.manner.lock().unwrap() = Manner::Reads;
    let verdicts = syslog.send(&parcels).await;
    assert!(matches!(&verdicts[..], [Verdict::Taken(_), Verdict::Taken(_), Verdict::Taken(_)]));
    assert_eq!(*collector.connections.lock().unwrap(), 41);
    assert_eq!(collector.records().last().unwrap().len(), 3);
}

#[tokio::test]
async fn records_arrive_whole_and_under_their_ids() {
    let collector = Collector::new(Manner::Reads).await;
    let syslog = syslog(&collector, "hook.example.com", &["127.0.0.1"]);
    assert_eq!(syslog.bundle(), Bundle::Changes(1));
    assert!(syslog.render(&[]).is_err());
    let row = row(flaw(
        r#"lines
and id="-" "#,
    ))
    .await;
    let kinds = [ChangeKind::New, ChangeKind::Changed, ChangeKind::Reopened, ChangeKind::Closed];
    let bodies = kinds.map(|kind| rendered(&syslog, &row, kind));
    let parcels: Vec<_> = ["a", "b-_9", "c", "d"]
        .into_iter()
        .zip(&bodies)
        .map(|(uid, body)| parcel(uid, body.clone()))
        .collect();
    let verdicts = syslog.send(&parcels).await;
    assert_eq!(verdicts.len(), 4);
    assert!(
        verdicts.iter().all(|verdict: &Verdict| *verdict == Verdict::Taken(Default::default()))
    );
    let records = collector.records().remove(0);
    assert_eq!(records.len(), 4);
    let head = r#"<130>1 2026-06-01T00:00:00.001Z - countersign - new [countersign@32473 id="a" seq="7"] {"#;
    assert!(records[0].starts_with(head), "{}", records[0]);
    let head = r#"<134>1 2026-06-01T00:00:00.001Z - countersign - closed [countersign@32473 id="d" seq="7"] {"#;
    assert!(records[3].starts_with(head), "{}", records[3]);
    let event = event(&records[0]);
    assert_eq!(
        (&event["class_uid"], &event["metadata"]["version"]),
        (&json!(2007), &json!("1.6.0"))
    );
    assert_eq!(event["finding_info"]["uid"], row.row.finding.id.as_str());
    assert!(event["finding_info"]["desc"].as_str().unwrap().contains("id=\"-\""));

    let settings = json!({"host": "127.0.0.1", "port": collector.port, "facility": "audit",
        "enterprise": 99999, "hostname": "node-1.example.com"});
    let settings: Settings = serde_json::from_value(settings).unwrap();
    assert_eq!(settings.place(), format!("127.0.0.1:{}", collector.port));
    let named = Syslog::new(settings, &access(""), reach(&collector, &["127.0.0.1"])).unwrap();
    assert!(matches!(named.probe(START_MS).await, Verdict::Taken(_)));
    let record = collector.records().remove(1).remove(0);
    assert_eq!(
        record,
        r#"<110>1 2026-06-01T00:00:00.000Z node-1.example.com countersign - test [countersign@99999 id="test_1780272000000" seq="0"] {"message":"countersign: a test"}"#
    );
}

#[tokio::test]
async fn an_id_that_is_none_stops_what_follows() {
    let collector = Collector::new(Manner::Reads).await;
    let syslog = syslog(&collector, "127.0.0.1", &["127.0.0.1"]);
    let body = r#"<134>1 - - countersign - new [countersign@32473 id="-" seq="7"] {}"#.to_owned();
    let [good, odd] = [parcel("a", body.clone()), parcel("a\"]", body)];
    let verdicts = syslog.send(&[odd.clone(), good.clone()]).await;
    assert!(matches!(&verdicts[..], [Verdict::Refused(_)]));
    assert_eq!(*collector.connections.lock().unwrap(), 0);
    let verdicts = syslog.send(&[good.clone(), odd, good]).await;
    assert!(matches!(&verdicts[..], [Verdict::Taken(_), Verdict::Refused(_)]));
    assert_eq!(collector.records().concat().len(), 1);
    assert!(syslog.send(&[]).await.is_empty());
}

#[tokio::test]
async fn a_receiver_may_want_a_certificate() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let own = rcgen::generate_simple_self_signed(["countersign".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let collector = Collector::with(tls, made.cert.pem().into_bytes(), Manner::Reads).await;
    let verdict = syslog(&collector, "127.0.0.1", &["127.0.0.1"]).probe(START_MS).await;
    assert!(!matches!(verdict, Verdict::Taken(_)), "{verdict:?}");
    let secret = own.cert.pem() + &own.signing_key.serialize_pem();
    let settings = settings("127.0.0.1", collector.port);
    let known = Syslog::new(settings, &access(&secret), reach(&collector, &["127.0.0.1"]));
    assert!(matches!(known.unwrap().probe(START_MS).await, Verdict::Taken(_)));
    assert_eq!(collector.records().concat().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_record_is_too_long(
        text in "(\\PC|[\\x00-\\x1f\"\\\\\u{202e}\u{e0041}]){0,40}", times in 0usize..300,
    ) {
        let reach = Reach::new(gate(&[]));
        let syslog = Syslog::new(settings("127.0.0.1", 6514), &access(""), reach).unwrap();
        let row = cast(hostile(&text.repeat(times)));
        let body = rendered(&syslog, &row, ChangeKind::New);
        prop_assert!(body.len() + 64 <= 8_000, "{}", body.len());
        prop_assert!(!body.contains(is_odd));
        let event = event(&body);
        prop_assert_eq!(&event["finding_info"]["uid"], row.row.finding.id.as_str());
        prop_assert_eq!(&event["class_uid"], 2007);
        let is_short = text.len() * times < 20;
        prop_assert!(!is_short || event["unmapped"]["countersign"].is_null());
        let is_long = text.len() * times > 8_000;
        prop_assert!(!is_long || event["unmapped"]["countersign"]["shortened"].is_array());
    }
}

/// A receiver that was started elsewhere, at an address and with the certificate in a file: it
/// gets 10,000 records, of which one in ten has texts as long and odd as they may be.
#[tokio::test]
async fn a_real_receiver_takes_ten_thousand() {
    let Ok(address) = std::env::var("COUNTERSIGN_SYSLOG") else { return };
    let ca_pem = std::fs::read(std::env::var("COUNTERSIGN_SYSLOG_CA").unwrap()).unwrap();
    let (host, port) = address.rsplit_once(':').unwrap();
    let reach = Reach { ca_pem: Some(ca_pem), ..Reach::new(gate(&["127.0.0.0/8"])) };
    let settings = settings(host, port.parse().unwrap());
    let syslog = Syslog::new(settings, &access(""), reach).unwrap();
    let plain = row(flaw("a \u{202e} b\nc")).await;
    let long = row(hostile(&"\u{e0041}%n\u{202e}\r\n#012\\é\"".repeat(200))).await;
    for batch in 0..100 {
        let parcels: Vec<_> = (0..100)
            .map(|number| {
                let row = if number % 10 == 0 { &long } else { &plain };
                let mut change = row.change(ChangeKind::New);
                change.seq = batch * 100 + number;
                let body = syslog.render(&[row.event(&change)]).unwrap();
                parcel(&format!("uid-{}", change.seq), body)
            })
            .collect();
        let verdicts = syslog.send(&parcels).await;
        assert_eq!(verdicts.len(), 100, "{verdicts:?}");
        let is_confirmed = |verdict: &Verdict| *verdict == Verdict::Taken(Default::default());
        assert!(verdicts.iter().all(is_confirmed), "{verdicts:?}");
    }
}
