//! The authorization header, ids and secrets as they are typed.

use countersign_signing::{
    ApiId, ApiSecret, Authorization, OAuthClient, Pair, Request, Signer, SigningKey, split_url,
};

const ID: &str = "0123456789abcdef0123456789abcdef";

/// A header, or a target to sign.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let secret = "00112233".repeat(16);
    let pair = Pair::parse(ID, &secret).expect("a pair");
    let key = SigningKey::new(&pair.secret);
    let request = Request::new("GET", "api.example.com", "/appsec/v1/applications");
    if let Ok(header) = Authorization::parse(text) {
        assert!(
            header.id().len() < 1_000 && header.timestamp_ms() > 0 || header.timestamp_ms() == 0
        );
        // Nobody guesses a signature.
        assert!(key.verify(&header, [request]).is_err(), "it fits: {text}");
    }
    if let Ok(signed) = Signer::new(&pair).authorize(&Request::new("GET", "h", text), 1, &[7; 16]) {
        let header = Authorization::parse(&signed).expect("what we write we read");
        assert!(key.verify(&header, [Request::new("GET", "h", text)]).is_ok(), "{signed}");
    }
    let _ = split_url(text);
    if let Ok(id) = ApiId::parse(text) {
        assert_eq!(ApiId::parse(&id.to_string()).expect("an id"), id);
    }
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    let _ = (Pair::parse(first, second), OAuthClient::parse(first, second), ApiSecret::parse(text));
}
