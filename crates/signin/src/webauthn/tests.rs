use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};

use super::*;

const CHALLENGE: &[u8] = b"thirty-two bytes that were drawn";
const ID: &[u8] = b"the id of a passkey";

fn site() -> Site {
    Site {
        domain: "console.example.com".into(),
        origin: "https://console.example.com:8443".into(),
        title: "x".into(),
    }
}

fn head(major: u8, value: usize) -> Vec<u8> {
    let value = u16::try_from(value).unwrap();
    [&[major << 5 | 25][..], &value.to_be_bytes()].concat()
}

fn bytes(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len()), bytes.to_vec()].concat()
}

fn text(text: &str) -> Vec<u8> {
    [head(3, text.len()), text.into()].concat()
}

fn int(number: i64) -> Vec<u8> {
    match usize::try_from(number) {
        Ok(number) => head(0, number),
        Err(_) => head(1, usize::try_from(-1 - number).unwrap()),
    }
}

fn map(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let flat = pairs.iter().flat_map(|(name, value)| [name.clone(), value.clone()].concat());
    head(5, pairs.len()).into_iter().chain(flat).collect()
}

/// An authenticator of each kind.
enum Device {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl Device {
    fn es256() -> Self {
        let (kind, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let pair = EcdsaKeyPair::generate_pkcs8(kind, random).unwrap();
        Self::Es256(EcdsaKeyPair::from_pkcs8(kind, pair.as_ref(), random).unwrap())
    }

    fn all() -> [Self; 3] {
        Self::with_rsa(include_bytes!("made_up_rsa_1.der"))
    }

    /// One of each kind, none of which is among all.
    fn others() -> [Self; 3] {
        Self::with_rsa(include_bytes!("made_up_rsa_2.der"))
    }

    /// With a key of nobody's: the library makes no RSA keys.
    fn with_rsa(key: &[u8]) -> [Self; 3] {
        let eddsa = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        [
            Self::es256(),
            Self::EdDsa(Ed25519KeyPair::from_pkcs8(eddsa.as_ref()).unwrap()),
            Self::Rs256(RsaKeyPair::from_der(key).unwrap()),
        ]
    }

    fn cose(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                vec![
                    (int(1), int(2)),
                    (int(3), int(ES256)),
                    (int(-1), int(1)),
                    (int(-2), bytes(&point[1..33])),
                    (int(-3), bytes(&point[33..])),
                ]
            }
            Self::EdDsa(pair) => vec![
                (int(1), int(1)),
                (int(3), int(EDDSA)),
                (int(-1), int(6)),
                (int(-2), bytes(pair.public_key().as_ref())),
            ],
            Self::Rs256(pair) => {
                // A sequence of two numbers, in DER.
                let der = pair.public_key().as_ref();
                let (n, e) = (&der[9..265], &der[267..]);
                assert_eq!(e, [1, 0, 1]);
                vec![
                    (int(1), int(3)),
                    (int(3), int(RS256)),
                    (int(-1), bytes(n)),
                    (int(-2), bytes(e)),
                ]
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// What is said about one ceremony, right until a test changes it.
struct Ceremony {
    client: Value,
    domain: &'static str,
    flags: u8,
    count: u32,
    cose: Vec<(Vec<u8>, Vec<u8>)>,
    id: Vec<u8>,
    said_id: Vec<u8>,
    kind: &'static str,
    after: Vec<u8>,
    before: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Ceremony {
    fn of(device: &Device, kind: &str) -> Self {
        let is_new = kind == "webauthn.create";
        Self {
            client: json!({"type": kind, "challenge": encode(CHALLENGE),
                "origin": "https://console.example.com:8443", "crossOrigin": false,
                "other_keys_can_be_added_here": "do not compare with a template"}),
            domain: "console.example.com",
            flags: PRESENT | VERIFIED | if is_new { CREATED } else { 0 },
            count: 0,
            cose: device.cose(),
            id: ID.into(),
            said_id: ID.into(),
            kind: "public-key",
            after: Vec::new(),
            before: vec![(text("fmt"), text("none")), (text("attStmt"), map(&[]))],
        }
    }

    fn data(&self) -> Vec<u8> {
        let mut data = Sha256::digest(self.domain).to_vec();
        data.push(self.flags);
        data.extend(self.count.to_be_bytes());
        if self.flags & CREATED != 0 {
            data.extend([7; 16]);
            data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
            data.extend(&self.id);
            data.extend(map(&self.cose));
        }
        data.extend(&self.after);
        data
    }

    fn created(&self) -> String {
        let mut attestation = self.before.clone();
        attestation.push((text("authData"), bytes(&self.data())));
        json!({"id": encode(&self.said_id), "rawId": encode(&self.said_id), "type": self.kind,
            "clientExtensionResults": {}, "authenticatorAttachment": "platform",
            "response": {"clientDataJSON": encode(self.client.to_string().as_bytes()),
                "attestationObject": encode(&map(&attestation)), "transports": []}})
        .to_string()
    }

    fn signed(&self, device: &Device) -> String {
        let client = self.client.to_string();
        let signed = [self.data(), Sha256::digest(&client).to_vec()].concat();
        self.signed_as(&device.sign(&signed))
    }

    fn signed_as(&self, signature: &[u8]) -> String {
        json!({"id": encode(&self.said_id), "rawId": encode(&self.said_id), "type": self.kind,
            "clientExtensionResults": {},
            "response": {"clientDataJSON": encode(self.client.to_string().as_bytes()),
                "authenticatorData": encode(&self.data()), "signature": encode(signature),
                "userHandle": null}})
        .to_string()
    }
}

fn enrolled(device: &Device) -> Passkey {
    let answer = Ceremony::of(device, "webauthn.create").created();
    let (id, passkey) = created(&site(), CHALLENGE, &answer).expect("a right answer");
    assert_eq!(id, ID);
    passkey
}

type Change = fn(&mut Ceremony);

#[test]
fn wrong_answers_to_a_setting_up_are_refused() {
    let changes: &[(&str, Change)] = &[
        ("another kind", |it| it.client["type"] = json!("webauthn.get")),
        ("another challenge", |it| it.client["challenge"] = json!(encode(b"another"))),
        ("another port", |it| it.client["origin"] = json!("https://console.example.com")),
        ("another name", |it| it.client["origin"] = json!("https://example.com:8443")),
        ("within another page", |it| it.client["crossOrigin"] = json!(true)),
        ("no origin", |it| drop(it.client.as_object_mut().unwrap().remove("origin"))),
        ("another site", |it| it.domain = "example.com"),
        ("nobody there", |it| it.flags &= !PRESENT),
        ("nobody verified", |it| it.flags &= !VERIFIED),
        ("shared and not shareable", |it| it.flags |= SHARED),
        ("no passkey", |it| it.flags &= !CREATED),
        ("no id", |it| it.id.clear()),
        ("a long id", |it| {
            it.id = vec![1; LONGEST_ID + 1];
            it.said_id = it.id.clone();
        }),
        ("another id", |it| it.said_id = b"another".to_vec()),
        ("another type", |it| it.kind = "password"),
        ("something behind", |it| it.after = vec![0]),
        ("extensions that are cut", |it| {
            it.flags |= EXTENDED;
            it.after = vec![0xa1];
        }),
        ("an algorithm that nobody asked for", |it| it.cose[1].1 = int(-35)),
        ("a kind of key that does not go with it", |it| it.cose[0].1 = int(4)),
        ("a part that is cut", |it| {
            let last = it.cose.len() - 1;
            it.cose[last].1 = bytes(&[1; 3]);
            it.cose[last - 1].1 = bytes(&[0; 3]);
        }),
        ("a part too few", |it| drop(it.cose.pop())),
        ("data twice", |it| it.before.push((text("authData"), bytes(b"x")))),
    ];
    for device in Device::all() {
        enrolled(&device);
        for (what, change) in changes {
            let mut ceremony = Ceremony::of(&device, "webauthn.create");
            change(&mut ceremony);
            assert_eq!(created(&site(), CHALLENGE, &ceremony.created()), None, "{what}");
        }
    }
    for answer in ["", "{}", "null", "[]"] {
        assert_eq!(created(&site(), CHALLENGE, answer), None, "{answer}");
    }
}

#[test]
fn keys_that_are_weak_or_no_keys_are_refused() {
    let [es256, _, rs256] = Device::all();
    let with = |device: &Device, parts: &[(usize, Vec<u8>)]| {
        let mut ceremony = Ceremony::of(device, "webauthn.create");
        for (at, part) in parts {
            ceremony.cose[*at].1 = bytes(part);
        }
        created(&site(), CHALLENGE, &ceremony.created())
    };
    assert_eq!(with(&es256, &[(3, vec![1; 32]), (4, vec![2; 32])]), None, "not on the curve");
    assert_eq!(with(&es256, &[(3, vec![0; 32]), (4, vec![0; 32])]), None, "nowhere");
    assert_eq!(with(&rs256, &[(2, vec![0xff; 128])]), None, "1,024 bits");
    assert_eq!(with(&rs256, &[(2, vec![0xff; LARGEST_MODULUS + 1])]), None, "too large");
    assert_eq!(with(&rs256, &[(3, vec![1])]), None, "one");
    assert_eq!(with(&rs256, &[(3, vec![4])]), None, "even");
}

#[test]
fn wrong_proofs_are_refused() {
    let changes: &[(&str, Change)] = &[
        ("another kind", |it| it.client["type"] = json!("webauthn.create")),
        ("another challenge", |it| it.client["challenge"] = json!(encode(b"another"))),
        ("another origin", |it| it.client["origin"] = json!("http://console.example.com:8443")),
        ("within another page", |it| it.client["crossOrigin"] = json!(true)),
        ("another site", |it| it.domain = "example.com"),
        ("nobody there", |it| it.flags &= !PRESENT),
        ("nobody verified", |it| it.flags &= !VERIFIED),
        ("shareable by now", |it| it.flags |= SHAREABLE),
        ("with a passkey", |it| it.flags |= CREATED),
        ("another type", |it| it.kind = "password"),
        ("something behind", |it| it.after = vec![0]),
    ];
    for (device, other) in Device::all().into_iter().zip(Device::others()) {
        let passkey = enrolled(&device);
        let ceremony = || Ceremony::of(&device, "webauthn.get");
        let right = ceremony().signed(&device);
        assert_eq!(claimed(&right).as_deref(), Some(ID));
        assert_eq!(proven(&site(), CHALLENGE, &passkey, &right), Some(passkey.clone()));
        for (what, change) in changes {
            let mut ceremony = ceremony();
            change(&mut ceremony);
            let answer = ceremony.signed(&device);
            assert_eq!(proven(&site(), CHALLENGE, &passkey, &answer), None, "{what}");
        }
        let answer = ceremony().signed(&other);
        assert_eq!(proven(&site(), CHALLENGE, &passkey, &answer), None, "another key");
        let answer = ceremony().signed_as(&[]);
        assert_eq!(proven(&site(), CHALLENGE, &passkey, &answer), None, "not signed");
    }
}

#[test]
fn a_copy_is_noticed_by_its_count() {
    let device = Device::es256();
    let mut passkey = enrolled(&device);
    for (count, is_taken) in [(5, true), (5, false), (4, false), (0, false), (6, true)] {
        let ceremony = Ceremony { count, ..Ceremony::of(&device, "webauthn.get") };
        let after = proven(&site(), CHALLENGE, &passkey, &ceremony.signed(&device));
        assert_eq!(after.is_some(), is_taken, "{count}");
        passkey = after.unwrap_or(passkey);
    }
    let kept = serde_json::to_string(&passkey).unwrap();
    assert_eq!(serde_json::from_str::<Passkey>(&kept).unwrap(), passkey);
}

#[test]
fn what_is_asked_is_what_browsers_read() {
    let user = User { handle: b"handle", name: "somebody" };
    let asked = creation(&site(), &user, CHALLENGE, &[ID.to_vec()], 300_000);
    assert_eq!(asked["rp"]["id"], "console.example.com");
    assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(asked["excludeCredentials"][0]["id"], encode(ID));
    let algorithms = asked["pubKeyCredParams"].as_array().unwrap();
    let numbers: Vec<_> = algorithms.iter().map(|one| one["alg"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [ES256, EDDSA, RS256]);
    let asked = request(&site(), CHALLENGE, &[ID.to_vec()], 300_000);
    assert_eq!(asked["allowCredentials"][0]["id"], encode(ID));
    assert_eq!(asked["challenge"], encode(CHALLENGE));
}

proptest! {
    /// Of what is signed, no bit can be another.
    #[test]
    fn no_bit_can_change(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let device = Device::es256();
        let passkey = enrolled(&device);
        let ceremony = Ceremony::of(&device, "webauthn.get");
        let answer: Value = serde_json::from_str(&ceremony.signed(&device)).unwrap();
        for member in ["clientDataJSON", "authenticatorData", "signature"] {
            let mut bytes = decode(answer["response"][member].as_str().unwrap()).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let mut changed = answer.clone();
            changed["response"][member] = json!(encode(&bytes));
            prop_assert_eq!(proven(&site(), CHALLENGE, &passkey, &changed.to_string()), None);
        }
    }

    #[test]
    fn no_answer_panics(
        data in prop::collection::vec(any::<u8>(), 0..300),
        is_shaped in any::<bool>(),
    ) {
        let device = Device::es256();
        let client = Ceremony::of(&device, "webauthn.create").client.to_string();
        let mut start = Sha256::digest("console.example.com").to_vec();
        start.extend([PRESENT | VERIFIED | CREATED | EXTENDED, 0, 0, 0, 0]);
        let data = if is_shaped { [start, data].concat() } else { data };
        let attestation = map(&[(text("authData"), bytes(&data))]);
        let answer = json!({"rawId": encode(ID), "type": "public-key", "response": {
            "clientDataJSON": encode(client.as_bytes()), "attestationObject": encode(&attestation)}});
        let _ = created(&site(), CHALLENGE, &answer.to_string());
    }
}
