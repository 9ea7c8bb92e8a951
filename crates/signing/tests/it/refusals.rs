use countersign_signing::{ApiId, ApiSecret, Authorization, Pair, Window, split_url};

const ID: &str = "dbb6f2a2ed0b6890bbd32e949f72c8c8";
const SIG: &str = "ab3428840a0896e052028671c3933353a012b9e683da86ed9d5f9f2c076436dd";

fn secret() -> String {
    "530da152f87e5530".repeat(8)
}

#[test]
fn malformed_headers() {
    let good = format!("VERACODE-HMAC-SHA-256 id={ID},ts=1,nonce=00,sig={SIG}");
    Authorization::parse(&good).unwrap();
    for bad in [
        String::new(),
        "VERACODE-HMAC-SHA-256".into(),
        "VERACODE-HMAC-SHA-256 ".into(),
        good.replace("VERACODE-HMAC-SHA-256", "Bearer"),
        good.replace("VERACODE-HMAC-SHA-256 ", "VERACODE-HMAC-SHA-256"),
        good.replace("VERACODE-HMAC-SHA-256", "VERACODE-HMAC-SHA-512"),
        good.replace("id=", "ident="),
        good.replace(&format!("id={ID},"), ""),
        good.replace("ts=1,", ""),
        good.replace("nonce=00,", ""),
        good.replace(&format!(",sig={SIG}"), ""),
        format!("{good},sig={SIG}"),
        format!("{good},id={ID}"),
        format!("{good},"),
        format!("{good},extra=1"),
        format!("{good} trailing"),
        good.replace("ts=1", "ts=-1"),
        good.replace("ts=1", "ts=+1"),
        good.replace("ts=1", "ts="),
        good.replace("ts=1", "ts=1.5"),
        good.replace("ts=1", "ts=99999999999999999999"),
        good.replace("nonce=00", "nonce="),
        good.replace("nonce=00", "nonce=0"),
        good.replace("nonce=00", "nonce=0g"),
        good.replace("nonce=00", &format!("nonce={}", "00".repeat(65))),
        good.replace(SIG, &SIG[2..]),
        good.replace(SIG, &format!("{SIG}00")),
        good.replace(ID, ""),
        good.replace(ID, "not-hex-at-all"),
        good.replace(ID, &"a".repeat(129)),
        good.replace(',', "\u{a0},"),
        format!("{good}{}", " ".repeat(2000)),
    ] {
        let error = Authorization::parse(&bad).expect_err(&bad);
        assert!(error.is_malformed_header(), "{bad}: {error}");
    }
}

#[test]
fn tolerated_headers() {
    let upper_nonce = "30".repeat(64).to_uppercase();
    for good in [
        format!("VERACODE-HMAC-SHA-256 sig={SIG},nonce=00,ts=1,id={ID}"),
        format!("VERACODE-HMAC-SHA-256 id={ID}, ts=1, nonce=00, sig={SIG}"),
        format!(
            "VERACODE-HMAC-SHA-256  id={ID},ts=1,nonce={upper_nonce},sig={}",
            SIG.to_uppercase()
        ),
        format!("VERACODE-HMAC-SHA-256 id=vera01ei-{ID},ts=1,nonce=00,sig={SIG}"),
    ] {
        assert_eq!(Authorization::parse(&good).expect(&good).id(), ID);
    }
}

#[test]
fn malformed_pairs() {
    let secret = secret();
    for (id, secret_key, word) in [
        ("", secret.as_str(), "not hexadecimal"),
        ("xyz", &secret, "not hexadecimal"),
        (" dbb6f2a2ed0b6890bbd32e949f72c8c8", &secret, "not hexadecimal"),
        ("dbb6f2a2", &secret, "8 hex digits"),
        (ID, "", "0 hex digits"),
        (ID, "00", "2 hex digits"),
        (ID, &secret[1..], "127 hex digits"),
        (ID, &secret.replace('5', "z"), "not hexadecimal"),
        (&secret, ID, "32 hex digits"),
        (&format!("vera01es-{ID}"), &secret, "prefix of a Secret Key"),
        (ID, &format!("vera01ei-{secret}"), "prefix of an API ID"),
        (&format!("vera01ei-{ID}"), &format!("vera01fs-{secret}"), "two different regions"),
    ] {
        let error = Pair::parse(id, secret_key).unwrap_err().to_string();
        assert!(error.contains(word), "{error} does not say `{word}`");
        assert!(secret_key.is_empty() || !error.contains(secret_key), "a secret in {error}");
    }
}

#[test]
fn nothing_secret_is_printed() {
    let secret = secret();
    let pair = Pair::parse(ID, &secret).unwrap();
    let signer = countersign_signing::Signer::new(&pair);
    for printed in [format!("{pair:?}"), format!("{signer:?}"), format!("{:#?}", pair.secret)] {
        assert!(printed.contains("redacted"), "{printed}");
        assert!(!printed.contains("530d") && !printed.contains("83, 13"), "{printed}");
    }
}

#[test]
fn window_edges() {
    let window = Window { past_ms: 1000, future_ms: 500 };
    assert!(window.check(9_000, 10_000).is_ok());
    assert!(window.check(8_999, 10_000).unwrap_err().is_stale());
    assert!(window.check(10_500, 10_000).is_ok());
    assert!(window.check(10_501, 10_000).unwrap_err().is_future());
    assert!(window.check(0, 500).is_ok());
    assert!(window.check(u64::MAX, u64::MAX).is_ok());
}

#[test]
fn ids_and_secrets_compare_by_value() {
    assert_eq!(ApiId::parse(ID).unwrap(), ApiId::parse(&ID.to_uppercase()).unwrap());
    assert_eq!(
        ApiSecret::parse(&secret()).unwrap(),
        ApiSecret::parse(&format!("vera01es-{}", secret())).unwrap()
    );
    assert_ne!(ApiSecret::parse("00").unwrap(), ApiSecret::parse("0000").unwrap());
}

#[test]
fn urls_without_a_host() {
    for url in ["", "api.veracode.com", "https://", "https:///path", "https://:443/"] {
        assert!(split_url(url).is_err(), "{url}");
    }
    assert_eq!(split_url("https://[::1]:8443/a?b").unwrap(), ("[::1]", "/a?b"));
    assert_eq!(split_url("https://h?x=1#f").unwrap(), ("h", "?x=1"));
}
