//! What a browser answers about a passkey: as it is, and as the data of an authenticator
//! within an answer that is right but for it.

use countersign_signin::passkey::{Owner, Passkeys};
use data_encoding::BASE64URL_NOPAD;
use rusqlite::Connection;

/// Nothing that was not signed is taken.
pub(crate) fn run(data: &[u8]) {
    let mut connection = Connection::open_in_memory().expect("a database");
    countersign_signin::prepare(&connection).expect("tables");
    let passkeys = Passkeys::new("https://localhost:8443", "x").expect("a name");
    let transaction = connection.transaction().expect("a transaction");
    let random = |bytes: &mut [u8]| bytes.fill(7);
    let owner = Owner { person: 1, guid: "a guid", name: "somebody" };
    let client = format!(
        r#"{{"type":"webauthn.create","challenge":"{}","origin":"https://localhost:8443"}}"#,
        BASE64URL_NOPAD.encode(&[7; 32])
    );
    let attestation = [b"\xa1\x68authData\x59", &u16::to_be_bytes(data.len() as u16)[..], data];
    let within = serde_json::json!({"rawId": BASE64URL_NOPAD.encode(b"id"), "type": "public-key",
        "response": {"clientDataJSON": BASE64URL_NOPAD.encode(client.as_bytes()),
            "attestationObject": BASE64URL_NOPAD.encode(&attestation.concat())}});
    for answer in [String::from_utf8_lossy(data).into_owned(), within.to_string()] {
        passkeys.ask_to_enrol(&transaction, 1, owner, 0, &random).expect("a question");
        let is_new = passkeys.enrol(&transaction, 1, 1, &answer, 0).expect("an answer");
        if passkeys.ask_for_proof(&transaction, 1, 1, 0, &random).expect("a question").is_some() {
            assert!(is_new);
            assert!(!passkeys.prove(&transaction, 1, 1, &answer, 0).expect("an answer"));
        }
    }
}
