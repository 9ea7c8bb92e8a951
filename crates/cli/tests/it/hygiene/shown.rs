//! What types that can hold a secret show of themselves: by `Debug`, and in the message
//! of a panic. `sources` sees to it that no public type is forgotten here.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::marker::PhantomData;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use countersign_broker as broker;
use countersign_client as client;
use countersign_connector::consumers::Release;
use countersign_dashboard::people;
use countersign_platform as platform;
use countersign_signin::{self as signin, totp};
use countersign_signing::{
    ApiId, ApiSecret, Authorization, OAuthClient, Pair, Request, Signer, SigningKey,
};
use countersign_vault::{
    KeySource, Kv, KvConfig, KvPath, KvSecret, MasterKey, SealedFile, Secret, SecretText, SignIn,
    Vault,
};
use zeroize::Zeroizing;

use super::needles::Needles;

/// A secret that is text, and one that is bytes.
const TEXT: &str = "hush-hush-and-not-a-word";
const BYTES: [u8; 64] = {
    let mut bytes = [0; 64];
    let mut at = 0;
    while at < 64 {
        bytes[at] = (at as u8).wrapping_mul(41) ^ 0xb7;
        at += 1;
    }
    bytes
};

fn pair() -> Pair {
    let id = ApiId::parse("0123456789abcdef0123456789abcdef").unwrap();
    Pair { id, secret: ApiSecret::from_bytes(BYTES.to_vec()) }
}

fn oauth_client() -> OAuthClient {
    OAuthClient::parse("a-client", TEXT).unwrap()
}

struct Shown {
    needles: Needles,
    types: Vec<&'static str>,
}

impl Shown {
    fn new() -> Self {
        let mut needles = Needles::default();
        needles.add_text("the text", TEXT);
        needles.add_bytes("the bytes", &BYTES);
        needles.add_bytes("the beginning of the bytes", &BYTES[..32]);
        Self { needles, types: Vec::new() }
    }

    /// Every way in which a value ends up in a log or in the message of a panic.
    fn check<T: Debug>(&mut self, name: &'static str, value: T) {
        self.types.push(name);
        self.needles.assert_none(name, format!("{value:?}").as_bytes());
        self.needles.assert_none(name, format!("{value:#?}").as_bytes());
        let message = message_of(|| panic!("it went wrong with {value:?}"));
        assert!(message.starts_with("it went wrong with "));
        self.needles.assert_none(name, message.as_bytes());
        let failed: Result<(), T> = std::hint::black_box(Err(value));
        let message = message_of(|| failed.unwrap());
        assert!(message.contains("`Err` value"), "{message}");
        self.needles.assert_none(name, message.as_bytes());
    }
}

fn message_of(act: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(act)).unwrap_err();
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast_ref::<&str>().unwrap()).to_owned(),
    }
}

/// Answers every request with a body that holds the secret, in a thread of its own.
fn answering(body: String) -> client::Url {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut head) = (stream.unwrap(), Vec::new());
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            // A client that has gone is none of our business.
            let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
        }
    });
    url.parse().unwrap()
}

fn clock() -> client::Clock {
    Arc::new(|| 1_780_000_000_000)
}

fn random() -> client::Random {
    Arc::new(|buffer| {
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = BYTES[at % BYTES.len()];
        }
    })
}

/// One of each type, holding a secret. Some of them must not be dropped inside a runtime.
fn all() -> Shown {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut shown = Shown::new();
    let folder = tempfile::tempdir().unwrap();

    shown.check("signing::ApiSecret", pair().secret);
    shown.check("signing::Pair", pair());
    shown.check("signing::OAuthClient", oauth_client());
    shown.check("signing::SigningKey", SigningKey::new(&pair().secret));
    shown.check("signing::Signer", Signer::new(&pair()));
    let request = Request::new("GET", "127.0.0.1", "/");
    let header = Signer::new(&pair()).authorize(&request, 1_780_000_000_000, &[7; 16]).unwrap();
    let signature = header.rsplit_once("sig=").unwrap().1.to_owned();
    shown.needles.add_text("a signature", &signature);
    shown.check("signing::Authorization", Authorization::parse(&header).unwrap());

    shown.check("vault::Secret", Secret::Pair(pair()));
    shown.check("vault::Secret", Secret::OAuthClient(oauth_client()));
    shown.check("vault::MasterKey", MasterKey::from_bytes(*BYTES.first_chunk().unwrap()));
    shown.check("zeroize::Zeroizing", Zeroizing::new(TEXT.to_owned()));
    shown.check("zeroize::Zeroizing", Zeroizing::new(BYTES.to_vec()));
    let text = || SecretText::Given(Zeroizing::new(TEXT.to_owned()));
    shown.check("vault::SecretText", text());
    let role = |secret_id| SignIn::AppRole { mount: "m".into(), role_id: "r".into(), secret_id };
    let jwt = SignIn::Jwt { mount: "m".into(), role: "r".into(), jwt: text() };
    for sign_in in [SignIn::Token(text()), role(Some(text())), jwt] {
        shown.check("vault::SignIn", sign_in.clone());
        let config = KvConfig {
            keys: "vault.kv",
            address: "http://127.0.0.1:1".into(),
            mount: "secret".into(),
            path: "countersign".into(),
            namespace: None,
            sign_in,
            ca_pem: None,
            allow_http_loopback: true,
            timeout: Duration::from_secs(1),
        };
        shown.check("vault::KvConfig", config.clone());
        shown.check("vault::KvPath", KvPath::open(config.clone(), clock()).unwrap());
        shown.check("vault::Kv", Kv::open(config, clock(), random()).unwrap());
    }
    let mut kept = KvSecret::default();
    kept.set("secret", TEXT);
    shown.check("vault::KvSecret", kept);
    let passphrase = KeySource::Passphrase(Zeroizing::new(TEXT.to_owned()));
    let vault = SealedFile::open(&folder.path().join("vault.json"), passphrase, random()).unwrap();
    vault.put("a", &Secret::Pair(pair()), 0).unwrap();
    shown.check("vault::SealedFile", vault);

    shown.check("client::Authority", client::Authority::from(&pair()));
    shown.check("client::Authority", client::Authority::from(oauth_client()));
    shown.check("client::Minted", client::Minted { credential: pair(), expires: None });
    let minted = client::Minted { credential: oauth_client(), expires: None };
    shown.check("client::Minted", minted);
    let mut config =
        client::Config::new(answering(format!("{{\"access_token\":\"{TEXT}\",\"page\":0}}")));
    config.allow_http_loopback = true;
    let sender = client::Client::new(config.clone(), &pair(), clock(), random()).unwrap();
    shown.check("client::Response", runtime.block_on(sender.get("/")).unwrap());
    shown.check("client::Error", runtime.block_on(sender.self_user()).err().unwrap());
    shown.check("client::Client", sender);
    let proxy = client::Proxy::parse(&format!("http://somebody:{TEXT}@127.0.0.1:1"), "HTTPS_PROXY");
    shown.check("client::Proxy", proxy.as_ref().unwrap());
    config.proxy = proxy.ok();
    shown.check("client::Config", config.clone());
    shown.check("client::Client", client::Client::new(config.clone(), &pair(), clock(), random()));
    for base in [format!("https://somebody:{TEXT}@host"), format!("https://:{TEXT}@host")] {
        config.base_url = base.parse().unwrap();
        shown.check("client::Config", config.clone());
        let refused = client::Client::new(config.clone(), &pair(), clock(), random()).unwrap_err();
        shown.needles.assert_none("what a client says", refused.to_string().as_bytes());
        shown.check("client::Error", refused);
    }

    let release = |secret| Release {
        name: "a".into(),
        version: 1,
        secret,
        expires_ms: None,
        url: "https://api.veracode.eu".into(),
    };
    shown.check("connector::Release", release(Secret::Pair(pair())));
    shown.check("connector::Release", release(Secret::OAuthClient(oauth_client())));

    let identity = countersign_web::tls::Identity {
        certificates_pem: b"-----BEGIN CERTIFICATE-----".to_vec(),
        key_pem: Zeroizing::new(BYTES.to_vec()),
    };
    shown.check("web::Identity", identity);

    let token = broker::Token::generate(&random());
    shown.needles.add_text("the broker's token", token.expose());
    shown.check("broker::Token", token);
    let secret = totp::Secret::from_bytes(Zeroizing::new(BYTES[..20].to_vec()));
    shown.needles.add_text("a factor", &secret.expose_text());
    shown.needles.add_bytes("a factor", secret.expose_bytes());
    shown.check("signin::Secret", secret);

    let mut config = platform::Config::new(folder.path(), clock(), random());
    config.seed = platform::SeedSpec::Empty;
    config.control = Some(([127, 0, 0, 1], 0).into());
    let started = runtime.block_on(platform::Platform::start(config)).unwrap();
    let control = started.control().unwrap();
    shown.needles.add_text("the token of the controls", control.token());
    shown.check("platform::Control", control);
    runtime.block_on(started.shutdown()).unwrap();
    shown
}

#[test]
fn no_type_shows_what_it_holds() {
    let shown = all();
    let mut missing = SHOWN.to_vec();
    missing.retain(|name| !shown.types.contains(name));
    assert!(missing.is_empty(), "listed and not looked at: {missing:?}");
}

#[test]
fn a_type_that_shows_it_is_seen() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "it is shown")]
    struct Careless {
        token: String,
        key: [u8; 64],
    }
    for (text, key) in [(TEXT, [0; 64]), ("", BYTES)] {
        let careless = Careless { token: text.to_owned(), key };
        let message = message_of(|| Shown::new().check("Careless", careless));
        assert!(message.contains("Careless holds a secret"), "{message}");
    }
}

/// Whether a type has a `Debug` at all.
struct Asked<T>(PhantomData<T>);

impl<T: Debug> Asked<T> {
    const IS_SHOWN: bool = true;
}

trait Otherwise {
    const IS_SHOWN: bool = false;
}

impl<T> Otherwise for Asked<T> {}

/// Types that can be shown, each with a value in [`all`].
pub(super) const SHOWN: &[&str] = &[
    "signing::ApiSecret",
    "signing::Pair",
    "signing::OAuthClient",
    "signing::SigningKey",
    "signing::Signer",
    "signing::Authorization",
    "vault::Secret",
    "vault::MasterKey",
    "vault::SecretText",
    "vault::SignIn",
    "vault::KvConfig",
    "vault::Kv",
    "vault::KvPath",
    "vault::KvSecret",
    "vault::SealedFile",
    "client::Authority",
    "client::Minted",
    "client::Client",
    "client::Config",
    "client::Proxy",
    "client::Response",
    "client::Error",
    "connector::Release",
    "web::Identity",
    "broker::Token",
    "signin::Secret",
    "platform::Control",
];

/// Types that cannot be shown: who gives one a `Debug` moves it to the others.
macro_rules! opaque {
    ($($name:literal = $type:ty,)*) => {
        pub(super) const OPAQUE: &[&str] = &[$($name),*];

        #[test]
        fn what_cannot_be_shown_stays_so() {
            $(assert!(!<Asked<$type>>::IS_SHOWN, "{} has a `Debug` now", $name);)*
            assert!(<Asked<String>>::IS_SHOWN);
        }
    };
}

opaque! {
    "connector::GivenSecret" = countersign_connector::managed::GivenSecret,
    "connector::Signing" = countersign_connector::managed::Signing,
    "vault::KeySource" = KeySource,
    "client::Lease" = client::Lease,
    "client::Fixed" = client::Fixed,
    "web::Guest" = countersign_web::guest::Guest,
    "web::Key" = countersign_web::picture::Key,
    "connector::Connector" = countersign_connector::Connector,
    "connector::Config" = countersign_connector::duty::Config,
    "connector::Entered" = countersign_connector::keyfiles::paste::Entered,
    "connector::Follower" = countersign_connector::sync::Follower,
    "connector::Found" = countersign_connector::keyfiles::sources::Found,
    "connector::Machine" = countersign_connector::keyfiles::sources::Machine<'static>,
    "connector::Written" = countersign_connector::keyfiles::Written,
    "broker::Broker" = broker::Broker,
    "broker::Config" = broker::Config,
    "dashboard::Config" = countersign_dashboard::Config,
    "dashboard::People" = people::People,
    "signin::Begun" = signin::Begun,
    "signin::Enrolled" = signin::Enrolled,
    "signin::Enrolment" = signin::Enrolment,
    "signin::Given" = signin::Given,
    "signin::Signin" = signin::Signin<people::Desk>,
    "signin::Visit" = signin::Visit,
    "platform::Config" = platform::Config,
    "platform::Platform" = platform::Platform,
    "platform::Minted" = platform::Minted,
    "platform::Smtp" = platform::Smtp,
    "wire::ApiCredential" = countersign_wire::credential::ApiCredential,
}
