//! The platform's own certificate authority and the certificate it serves.

use std::path::Path;

use countersign_files::{self as files, Created, Readers, Secrecy};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use countersign_tenant::{Error, Random};

/// Clients that cannot be given another URL reach us by these names.
const VERACODE_NAMES: [&str; 6] = [
    "api.veracode.com",
    "api.veracode.eu",
    "api.veracode.us",
    "analysiscenter.veracode.com",
    "analysiscenter.veracode.eu",
    "analysiscenter.veracode.us",
];

const DAY_MS: i64 = 86_400_000;
const MAX_PEM_BYTES: u64 = 64 << 10;

pub(crate) struct Served {
    pub(crate) ca_pem: String,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// Loads the authority from its home, or makes it, and issues a certificate for
/// this run.
pub(crate) fn serve(
    home: &Path,
    names: &[String],
    now_ms: i64,
    random: &Random,
) -> Result<Served, Error> {
    let (ca_path, key_path) = (home.join("ca.pem"), home.join("ca.key"));
    let failed = |what: String| Error::home(&ca_path, what);
    let made = match key_path.exists() {
        true => Created::Existed,
        false => {
            let key = KeyPair::generate().map_err(|e| failed(e.to_string()))?;
            let pem = Zeroizing::new(key.serialize_pem());
            files::create(&key_path, pem.as_bytes(), &**random)?
        }
    };
    let key_pem = files::read_text(&key_path, Secrecy::Key, MAX_PEM_BYTES)?;
    let ca_key = KeyPair::from_pem(&key_pem).map_err(|e| failed(e.to_string()))?;
    // The certificate of a key that was lost is worth nothing.
    if made == Created::New || !ca_path.exists() {
        let certificate = authority_params(now_ms).self_signed(&ca_key);
        let pem = certificate.map_err(|e| failed(e.to_string()))?.pem();
        files::write(&ca_path, pem.as_bytes(), Readers::Everybody, &**random)?;
    }
    let ca_pem = files::read_text(&ca_path, Secrecy::Open, MAX_PEM_BYTES)?.to_string();
    let issuer = Issuer::new(authority_params(now_ms), ca_key);

    let key = KeyPair::generate().map_err(|e| failed(e.to_string()))?;
    let leaf = leaf_params(names, now_ms)
        .and_then(|params| params.signed_by(&key, &issuer))
        .map_err(|e| failed(e.to_string()))?;
    let ca_der =
        CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|e| failed(e.to_string()))?;
    Ok(Served {
        ca_pem,
        chain: vec![leaf.der().clone(), ca_der],
        key: PrivateKeyDer::try_from(key.serialize_der()).map_err(|e| failed(e.to_owned()))?,
    })
}

fn authority_params(now_ms: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "countersign local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now_ms, 3650);
    params
}

fn leaf_params(names: &[String], now_ms: i64) -> Result<CertificateParams, rcgen::Error> {
    let mut all: Vec<String> = vec!["localhost".into()];
    all.extend(VERACODE_NAMES.map(String::from));
    all.extend(names.iter().cloned());
    let mut params = CertificateParams::new(all)?;
    params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
    params.subject_alt_names.push(SanType::IpAddress(std::net::Ipv6Addr::LOCALHOST.into()));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "countersign platform");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now_ms, 397);
    Ok(params)
}

/// From a day ago, for clients whose clock is behind.
fn set_validity(params: &mut CertificateParams, now_ms: i64, days: i64) {
    let date = |ms: i64| {
        let day = countersign_tenant::timestamp(ms);
        let part = |at: usize| day.split(['-', 'T']).nth(at).unwrap_or("1");
        let small = |at| part(at).parse().unwrap_or(1);
        rcgen::date_time_ymd(part(0).parse().unwrap_or(2000), small(1), small(2))
    };
    params.not_before = date(now_ms - DAY_MS);
    params.not_after = date(now_ms + (days - 2) * DAY_MS);
}
