//! What people type or scan from a page into an app.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use qrcode::QrCode;
use qrcode::render::svg::Color;
use zeroize::Zeroizing;

/// A key for an app, as a page shows it. No `Debug`: it is a secret.
pub struct Key {
    /// As people type it, in groups of four.
    pub text: Zeroizing<String>,
    /// As a QR code, the address of a picture.
    pub picture: Zeroizing<String>,
    /// Sealed, so that the form can bring it back.
    pub sealed: String,
}

impl Key {
    /// Of its text, and of the address that apps take it from.
    pub fn new(text: &str, url: &str, sealed: &[u8]) -> Self {
        let sealed = BASE64URL_NOPAD.encode(sealed);
        Self { text: grouped(text), picture: qr_code(url), sealed }
    }

    /// What the form brought back; nothing, where that cannot be.
    pub fn sealed(brought: &str) -> Vec<u8> {
        BASE64URL_NOPAD.decode(brought.as_bytes()).unwrap_or_default()
    }
}

/// A QR code, as the address of a picture. Empty for a text that is too long for one.
fn qr_code(text: &str) -> Zeroizing<String> {
    let code = QrCode::new(text.as_bytes());
    let svg = code.map(|code| code.render::<Color<'_>>().min_dimensions(220, 220).build());
    let svg = Zeroizing::new(svg.unwrap_or_default());
    Zeroizing::new(format!("data:image/svg+xml;base64,{}", BASE64.encode(svg.as_bytes())))
}

/// A text in ASCII in groups of four characters.
fn grouped(text: &str) -> Zeroizing<String> {
    let mut groups = Zeroizing::new(String::with_capacity(text.len() + text.len() / 4));
    for (at, character) in text.chars().enumerate() {
        if at > 0 && at.is_multiple_of(4) {
            groups.push(' ');
        }
        groups.push(character);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_in_groups_and_scanned() {
        assert_eq!(*grouped("ABCDEFGHIJ"), "ABCD EFGH IJ");
        assert_eq!(*grouped("ABCD"), "ABCD");
        let picture = qr_code("otpauth://totp/a");
        let svg = picture.strip_prefix("data:image/svg+xml;base64,").map(str::as_bytes);
        let svg = BASE64.decode(svg.unwrap()).unwrap();
        assert!(String::from_utf8(svg).unwrap().contains("<svg"));
    }
}
