//! Certificates in the forms in which they are handed around.

use std::path::Path;

use countersign_text::foreign::decode;
use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::error::{Error, quoted};
use crate::judge::Secrecy;
use crate::read::{not_text, read};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// Of a line of PEM.
const COLUMNS: usize = 64;
/// `1.2.840.113549.1.7.2`: signed data, which certificates are handed around in.
const PKCS7: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];

/// The certificates of a file as PEM: it may be PEM in any encoding that is read, or one
/// certificate as DER. Refuses what holds none, with what takes them out of it.
pub fn read_certificates(
    path: &Path,
    secrecy: Secrecy,
    max_bytes: u64,
) -> Result<Zeroizing<String>, Error> {
    let bytes = read(path, secrecy, max_bytes)?;
    if let Some(inner) = sequence(&bytes) {
        return of_der(path, &bytes, inner);
    }
    let text = decode(&bytes).map(Zeroizing::new).map_err(|why| not_text(path, why))?;
    if text.contains(BEGIN) {
        return Ok(text);
    }
    let (from, to) = names(path);
    Err(if text.contains("-----BEGIN PKCS7-----") {
        none(
            path,
            "it is a PKCS #7 bundle",
            &format!("openssl pkcs7 -in {from} -print_certs -out {to}"),
        )
    } else if text.contains("PRIVATE KEY-----") {
        Error::unfit(format!("`{}` holds a private key and no certificate", path.display()))
            .hint("name the file of the certificate beside it".into())
    } else {
        Error::unfit(format!("`{}` holds no certificate", path.display()))
            .hint(format!("a certificate begins with `{BEGIN}`"))
    })
}

fn of_der(path: &Path, whole: &[u8], inner: &[u8]) -> Result<Zeroizing<String>, Error> {
    let (from, to) = names(path);
    match inner {
        // To be signed, and in it a version or a serial number.
        [0x30, ..] if sequence(inner).is_some_and(|of| matches!(of, [0xa0 | 0x02, ..])) => {
            let encoded = Zeroizing::new(BASE64.encode(whole));
            let mut pem = Zeroizing::new(String::with_capacity(encoded.len() * 2 + 64));
            pem.push_str(BEGIN);
            for (at, letter) in encoded.chars().enumerate() {
                if at % COLUMNS == 0 {
                    pem.push('\n');
                }
                pem.push(letter);
            }
            pem.push_str(&format!("\n{END}\n"));
            Ok(pem)
        }
        [0x02, 0x01, 0x03, ..] => Err(none(
            path,
            "it is a PKCS #12 store",
            &format!("openssl pkcs12 -in {from} -cacerts -nokeys -out {to}"),
        )),
        inner if inner.starts_with(PKCS7) => Err(none(
            path,
            "it is a PKCS #7 bundle",
            &format!("openssl pkcs7 -inform DER -in {from} -print_certs -out {to}"),
        )),
        _ => Err(Error::unfit(format!("`{}` holds no certificate", path.display()))
            .hint(format!("a certificate begins with `{BEGIN}`"))),
    }
}

fn names(path: &Path) -> (String, String) {
    let name = path.display().to_string();
    (quoted(&name), quoted(&format!("{name}.pem")))
}

fn none(path: &Path, what: &str, command: &str) -> Error {
    Error::unfit(format!("`{}` is not read for certificates: {what}", path.display()))
        .hint(format!("`{command}` extracts them"))
}

/// What is in a DER sequence that fills the bytes, whose length takes one byte or more.
fn sequence(bytes: &[u8]) -> Option<&[u8]> {
    let [0x30, first, rest @ ..] = bytes else { return None };
    if *first < 0x80 {
        return (rest.len() >= usize::from(*first)).then_some(rest);
    }
    let count = usize::from(*first & 0x7f);
    let length = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
    let length = length.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    let inner = rest.get(count..)?;
    (inner.len() >= length).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 1 << 20;

    /// The frame of a certificate: a sequence in a sequence, with a version.
    fn der() -> Vec<u8> {
        let mut signed = vec![0x30, 0x82, 0x01, 0x00, 0xa0, 0x03, 0x02, 0x01, 0x02];
        signed.resize(4 + 0x100, 7);
        let mut whole = vec![0x30, 0x82, 0x01, 0x04];
        whole.extend(signed);
        whole
    }

    fn pem() -> String {
        format!("{BEGIN}\n{}\n{END}\n", BASE64.encode(b"certificate"))
    }

    fn of(bytes: &[u8]) -> Result<Zeroizing<String>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it's a ca.crt");
        std::fs::write(&path, bytes).unwrap();
        read_certificates(&path, Secrecy::Open, MAX)
    }

    #[test]
    fn certificates_in_every_form_that_is_read() {
        assert_eq!(*of(pem().as_bytes()).unwrap(), pem());
        assert_eq!(*of(format!("\u{feff}{}", pem()).as_bytes()).unwrap(), pem());
        let wide: Vec<u8> =
            format!("\u{feff}{}", pem()).encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(*of(&wide).unwrap(), pem());
        let read = of(&der()).unwrap();
        let inner: String = read.lines().filter(|line| !line.starts_with('-')).collect();
        assert_eq!(BASE64.decode(inner.as_bytes()).unwrap(), der());
        assert!(read.starts_with(&format!("{BEGIN}\n")) && read.ends_with(&format!("\n{END}\n")));
        assert!(read.lines().all(|line| line.len() <= COLUMNS));
    }

    #[test]
    fn what_holds_no_certificate_is_named() {
        let mut pkcs12 = vec![0x30, 0x82, 0x00, 0x10, 0x02, 0x01, 0x03];
        pkcs12.resize(4 + 0x10, 0);
        let mut pkcs7 = vec![0x30, 0x82, 0x00, 0x20];
        pkcs7.extend(PKCS7);
        pkcs7.resize(4 + 0x20, 0);
        let wide: Vec<u8> = pem().encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, what, fix) in [
            (pkcs12, "PKCS #12", "openssl pkcs12 -in '"),
            (pkcs7, "PKCS #7", "openssl pkcs7 -inform DER -in '"),
            (b"-----BEGIN PKCS7-----\n".to_vec(), "PKCS #7", "openssl pkcs7 -in '"),
            (b"-----BEGIN EC PRIVATE KEY-----\nhush".to_vec(), "a private key and no", "beside it"),
            (b"hello\n".to_vec(), "holds no certificate", BEGIN),
            (b"".to_vec(), "holds no certificate", BEGIN),
            (b"\x30\x03\x02\x01\x00".to_vec(), "holds no certificate", BEGIN),
            (wide, "looks like UTF-16", "iconv -f UTF-16LE"),
            (b"caf\xe9\n".to_vec(), "line 1 looks like Windows-1252", "iconv -f WINDOWS-1252"),
        ] {
            let told = of(&bytes).unwrap_err().to_string();
            assert!(told.contains("it's a ca.crt` ") && !told.contains("hush"), "{told}");
            assert!(told.contains(what) && told.contains(fix), "{told}");
        }
    }
}
