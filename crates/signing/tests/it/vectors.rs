use countersign_signing::{
    ApiId, ApiSecret, Authorization, Pair, Region, Request, Signer, SigningKey, Window, split_url,
};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::Value;

fn section(name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../../vectors/hmac-sha-256.json")).unwrap();
    all[name].as_array().unwrap().clone()
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_else(|| panic!("`{name}` is missing in {case}"))
}

fn request(case: &Value) -> Request<'_> {
    Request::new(text(case, "method"), text(case, "host"), text(case, "url"))
}

fn key(case: &Value) -> SigningKey {
    SigningKey::new(&ApiSecret::parse(text(case, "secret_hex")).unwrap())
}

fn vector(name: &str) -> Value {
    section("signature_vectors").into_iter().find(|case| text(case, "name") == name).unwrap()
}

#[test]
fn every_case_says_where_it_comes_from() {
    for case in section("signature_vectors") {
        assert!(!text(&case, "provenance").is_empty());
        assert!(!text(&case, "source").is_empty());
    }
}

#[test]
fn canonical_strings() {
    for case in section("signature_vectors") {
        let id = text(&case, "id").to_lowercase();
        assert_eq!(request(&case).canonical_string(&id), text(&case, "string_to_sign"));
    }
    for case in section("string_to_sign_vectors") {
        assert_eq!(request(&case).canonical_string(text(&case, "id")), text(&case, "expected"));
    }
}

#[test]
fn signatures() {
    for case in section("signature_vectors") {
        let (id, secret) = match case.get("configured_id") {
            Some(_) => (text(&case, "configured_id"), text(&case, "configured_secret")),
            None => (text(&case, "id"), text(&case, "secret_hex")),
        };
        let pair =
            Pair { id: ApiId::parse(id).unwrap(), secret: ApiSecret::parse(secret).unwrap() };
        let signer = Signer::new(&pair);
        let nonce = HEXLOWER_PERMISSIVE.decode(text(&case, "nonce_hex").as_bytes()).unwrap();
        // A microsecond timestamp is verified, never made.
        let timestamp: u64 = text(&case, "timestamp").parse().unwrap();
        let value = signer.authorize(&request(&case), timestamp, &nonce).unwrap();
        // We write lower-case hex; the case of the id is the holder's.
        let expected = text(&case, "authorization");
        assert!(value.eq_ignore_ascii_case(expected), "{}: {value}", text(&case, "name"));
        assert!(value.contains(&format!("id={},", text(&case, "id"))), "{}", text(&case, "name"));
    }
}

#[test]
fn headers_verify() {
    for case in section("signature_vectors") {
        let header = Authorization::parse(text(&case, "authorization")).unwrap();
        key(&case).verify(&header, [request(&case)]).unwrap();
    }
}

#[test]
fn hosts_and_targets() {
    for case in section("host_and_path_vectors") {
        let expected = (text(&case, "host"), text(&case, "path"));
        assert_eq!(split_url(text(&case, "url")).unwrap(), expected);
    }
}

#[test]
fn prefixes() {
    for case in section("prefix_vectors") {
        let credential = text(&case, "credential");
        let is_secret = credential.as_bytes().get(7) == Some(&b's');
        if let Some(error) = case.get("error") {
            let refusal = ApiId::parse(credential).unwrap_err().to_string();
            let word = error.as_str().unwrap().split(' ').next().unwrap();
            assert!(refusal.contains(if word == "unknown" { "unknown region" } else { "eight" }));
            continue;
        }
        let region = match text(&case, "region") {
            "eu" => Region::European,
            "us-federal" => Region::UsFederal,
            "commercial" => Region::Commercial,
            other => panic!("unknown region {other}"),
        };
        assert_eq!(region.rest_host(), text(&case, "rest_host"));
        assert_eq!(Region::of_rest_host(text(&case, "rest_host")), Some(region));
        if is_secret {
            let secret = ApiSecret::parse(credential).unwrap();
            assert_eq!(*secret.expose_hex(), text(&case, "stripped"));
        } else {
            let id = ApiId::parse(credential).unwrap();
            assert_eq!((id.as_str(), id.region()), (text(&case, "stripped"), region));
            if id.is_prefixed() && region != Region::Commercial {
                assert_eq!(id.regional(region), credential);
            }
        }
    }
}

/// Each negative case by name, so that a new one in the file fails this test
/// until somebody decides what it means here.
#[test]
fn negative_cases() {
    for case in section("negative_cases") {
        let base = vector(text(&case, "based_on"));
        let value = text(&base, "authorization").to_owned();
        let key = key(&base);
        let reject = |value: &str, request: Request<'_>| {
            let refused = match Authorization::parse(value) {
                Ok(header) => key.verify(&header, [request]).is_err(),
                Err(_) => true,
            };
            assert!(refused, "{}", text(&case, "name"));
        };
        let same = request(&base);
        let host = text(&base, "host");
        let url = text(&base, "url");
        match text(&case, "name") {
            "tampered-path" => {
                reject(&value, Request::new("GET", host, "/appsec/v1/applications"));
            }
            "tampered-method" => reject(&value, Request::new("POST", host, url)),
            "tampered-host" => reject(&value, Request::new("GET", "api.veracode.eu", url)),
            "host-with-port" => reject(&value, Request::new("GET", "localhost:8443", url)),
            "changed-timestamp" => {
                reject(&value.replace("ts=1700000000000", "ts=1700000000001"), same);
            }
            "odd-length-nonce" => reject(&value.replace("eeff,", "eef,"), same),
            "non-hex-nonce" => reject(&value.replace("nonce=0", "nonce=z"), same),
            "replayed" => {
                // The memory is the verifier's; the tag it remembers is ours.
                let header = Authorization::parse(&value).unwrap();
                let again = Authorization::parse(&value).unwrap();
                assert_eq!(header.replay_tag(), again.replay_tag());
            }
            other => panic!("no rule for the negative case `{other}`"),
        }
    }
}

#[test]
fn sixteen_digits_are_microseconds() {
    let case = vector("microsecond-timestamp");
    let header = Authorization::parse(text(&case, "authorization")).unwrap();
    assert_eq!(header.timestamp_ms(), 1_700_000_000_000);
    Window::symmetric(300_000).check(header.timestamp_ms(), 1_700_000_100_000).unwrap();
}
