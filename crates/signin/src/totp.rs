//! Codes of six digits that change every 30 seconds. A code is taken once, and one
//! step of drift either way is forgiven.

use data_encoding::BASE32_NOPAD;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use crate::{Error, Random};

/// 160 bits, as the standard recommends.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A new one.
    pub fn new(random: Random<'_>) -> Self {
        let mut bytes = Zeroizing::new(vec![0; 20]);
        random(&mut bytes);
        Self(bytes)
    }

    /// What [`Secret::expose_bytes`] gave.
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// For sealing.
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As people type it into an app.
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(&self.0))
    }

    /// What a QR code holds.
    pub fn expose_url(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        let (issuer, account) = (escaped(issuer), escaped(account));
        let text = self.expose_text();
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}",
            *text
        ))
    }

    /// The step that a code is of, if it is one of now, of the step before or after.
    pub fn step_of(&self, code: &str, now_ms: i64) -> Option<u64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        self.totp()?.check(&code, seconds(now_ms))
    }

    /// The code of a moment, as an app shows it.
    pub fn code_at(&self, now_ms: i64) -> Option<String> {
        Some(self.totp()?.generate(seconds(now_ms)).to_string())
    }

    fn totp(&self) -> Option<Totp> {
        let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6);
        builder.with_skew(1).with_step_duration(30).with_secret(self.0.to_vec()).build().ok()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

fn seconds(now_ms: i64) -> u64 {
    u64::try_from(now_ms / 1000).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                escaped.push(byte as char);
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// The sealed secret of a person.
pub fn sealed(connection: &Connection, person: i64) -> Result<Option<Vec<u8>>, Error> {
    let held: Option<Option<Vec<u8>>> = connection
        .query_row("select totp from signin_people where person = ?", [person], |row| row.get(0))
        .optional()?;
    Ok(held.flatten())
}

/// Keeps the sealed secret of a person.
pub fn keep(transaction: &Transaction<'_>, person: i64, sealed: &[u8]) -> Result<(), Error> {
    transaction.execute(
        "insert into signin_people (person, totp) values (?1, ?2)
         on conflict (person) do update set totp = excluded.totp, totp_last_step = 0",
        params![person, sealed],
    )?;
    Ok(())
}

/// Forgets it: whether there was one.
pub fn forget(transaction: &Transaction<'_>, person: i64) -> Result<bool, Error> {
    let sql = "update signin_people set totp = null where person = ? and totp is not null";
    Ok(transaction.execute(sql, [person])? == 1)
}

/// Takes a code: false when it does not fit, or when it or a later one was taken.
pub fn take(
    transaction: &Transaction<'_>,
    person: i64,
    secret: &Secret,
    code: &str,
    now_ms: i64,
) -> Result<bool, Error> {
    let Some(step) = secret.step_of(code, now_ms) else { return Ok(false) };
    let taken = transaction.execute(
        "update signin_people set totp_last_step = ?2 where person = ?1 and totp_last_step < ?2",
        params![person, i64::try_from(step).unwrap_or(i64::MAX)],
    )?;
    Ok(taken == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The published vectors, cut to six digits.
    #[test]
    fn published_codes() {
        let secret = Secret::from_bytes(Zeroizing::new(b"12345678901234567890".to_vec()));
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000_i64, "353130"),
        ] {
            assert_eq!(secret.code_at(seconds * 1000).as_deref(), Some(code));
            assert!(secret.step_of(code, seconds * 1000).is_some());
        }
        for malformed in ["", "28708", "2870822", "28708x", "٢٨٧٠٨٢"] {
            assert_eq!(secret.step_of(malformed, 59_000), None, "{malformed}");
        }
        assert!(secret.step_of("287 082", 59_000).is_some());
        let url = secret.expose_url("countersign", "dana@example.com");
        assert!(url.starts_with("otpauth://totp/countersign:dana%40example.com?secret=GEZDGNBV"));
    }

    proptest! {
        /// Whatever is tried in whatever order, no step is taken twice, and none
        /// after a later one.
        #[test]
        fn steps_only_go_up(tries in prop::collection::vec((0_i64..12, -2_i64..3), 1..40)) {
            let mut connection = Connection::open_in_memory().unwrap();
            crate::prepare(&connection).unwrap();
            let transaction = connection.transaction().unwrap();
            let secret = Secret::from_bytes(Zeroizing::new(b"12345678901234567890".to_vec()));
            keep(&transaction, 1, b"sealed").unwrap();
            let (mut now, mut last) = (1_000_000_i64, 0);
            for (pause, drift) in tries {
                now += pause;
                let step = now + drift;
                let code = secret.code_at(step * 30_000).unwrap();
                let is_taken = take(&transaction, 1, &secret, &code, now * 30_000).unwrap();
                prop_assert_eq!(is_taken, drift.abs() <= 1 && step > last);
                if is_taken {
                    last = step;
                }
            }
        }
    }
}
