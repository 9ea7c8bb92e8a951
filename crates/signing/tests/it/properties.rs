use countersign_signing::{ApiId, ApiSecret, Authorization, Pair, Request, Signer, SigningKey};
use data_encoding::HEXLOWER;
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Case {
    id: Vec<u8>,
    secret: Vec<u8>,
    method: String,
    host: String,
    target: String,
    timestamp: u64,
    nonce: Vec<u8>,
}

fn case() -> impl Strategy<Value = Case> {
    (
        prop::collection::vec(any::<u8>(), 16),
        prop::collection::vec(any::<u8>(), 64),
        "GET|POST|PUT|DELETE|PATCH",
        "[a-z][a-z0-9-]{0,20}(\\.[a-z]{2,8}){0,2}",
        "/[!-~]{0,120}",
        1_000_000_000_000_u64..10_000_000_000_000,
        prop::collection::vec(any::<u8>(), 1..=64),
    )
        .prop_map(|(id, secret, method, host, target, timestamp, nonce)| Case {
            id,
            secret,
            method,
            host,
            target,
            timestamp,
            nonce,
        })
}

impl Case {
    fn request(&self) -> Request<'_> {
        Request::new(&self.method, &self.host, &self.target)
    }

    fn header(&self) -> String {
        let pair = Pair {
            id: ApiId::parse(&HEXLOWER.encode(&self.id)).unwrap(),
            secret: ApiSecret::from_bytes(self.secret.clone()),
        };
        Signer::new(&pair).authorize(&self.request(), self.timestamp, &self.nonce).unwrap()
    }

    fn verifies(&self, header: &str) -> bool {
        let key = SigningKey::new(&ApiSecret::from_bytes(self.secret.clone()));
        Authorization::parse(header)
            .is_ok_and(|header| key.verify(&header, [self.request()]).is_ok())
    }
}

/// Flips one bit of one byte and answers whether the text stayed text that
/// means something else (case does not matter in methods, hosts and hex).
fn flip(text: &str, at: usize, bit: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let at = at % bytes.len();
    bytes[at] ^= 1 << (bit % 7);
    let flipped = String::from_utf8(bytes).ok()?;
    (!flipped.eq_ignore_ascii_case(text)).then_some(flipped)
}

fn item<'a>(header: &'a str, name: &str) -> &'a str {
    let start = header.find(&format!("{name}=")).unwrap() + name.len() + 1;
    header[start..].split(',').next().unwrap()
}

proptest! {
    #[test]
    fn signed_requests_verify(case in case()) {
        prop_assert!(case.verifies(&case.header()));
    }

    #[test]
    fn any_flipped_bit_of_the_request_fails(
        case in case(), part in 0..4_usize, at in any::<usize>(), bit in any::<u8>(),
    ) {
        let header = case.header();
        let mut altered = case.clone();
        match part {
            0 => match flip(&case.method, at, bit) { Some(t) => altered.method = t, None => return Ok(()) },
            1 => match flip(&case.host, at, bit) { Some(t) => altered.host = t, None => return Ok(()) },
            2 => {
                let mut bytes = case.target.into_bytes();
                let at = at % bytes.len();
                bytes[at] ^= 1 << (bit % 7);
                altered.target = String::from_utf8(bytes).unwrap();
            }
            _ => {
                let at = at % case.secret.len();
                altered.secret[at] ^= 1 << (bit % 8);
            }
        }
        prop_assert!(!altered.verifies(&header));
    }

    #[test]
    fn any_flipped_bit_of_the_header_fails(
        case in case(), name in "id|ts|nonce|sig", at in any::<usize>(), bit in any::<u8>(),
    ) {
        let header = case.header();
        let old = item(&header, &name);
        let Some(new) = flip(old, at, bit) else { return Ok(()) };
        let altered = header.replacen(&format!("{name}={old}"), &format!("{name}={new}"), 1);
        prop_assert!(!case.verifies(&altered), "{} -> {}", old, new);
    }

    #[test]
    fn the_replay_tag_depends_on_id_and_nonce_alone(a in case(), b in case()) {
        let (header_a, header_b) = (a.header(), b.header());
        let mut mixed = a;
        mixed.target = b.target.clone();
        mixed.timestamp = b.timestamp;
        let mixed = mixed.header();
        let tag = |header: &str| Authorization::parse(header).unwrap().replay_tag();
        prop_assert_eq!(tag(&header_a), tag(&mixed));
        prop_assert_ne!(tag(&header_a), tag(&header_b));
    }

    #[test]
    fn the_reader_never_panics(text in "\\PC{0,300}", tail in "[ -~]{0,200}") {
        let _ = Authorization::parse(&text);
        let _ = Authorization::parse(&format!("VERACODE-HMAC-SHA-256 {tail}"));
    }
}
