//! Requests to S3 and what is compatible with it, signed with Signature Version 4. No clock:
//! the time of a signature is an argument.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::wire::{Method, Request};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Bytes of a key of an object.
pub const KEY_BYTES: usize = 1024;

/// A bucket, and how it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Where requests go: the address of the bucket, without a slash at its end.
    address: String,
    region: String,
}

/// What requests are signed with.
pub struct Keys {
    id: String,
    secret: Zeroizing<String>,
    token: Option<Zeroizing<String>>,
}

impl Keys {
    /// Reads `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, with `:SESSION_TOKEN` for a session.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.trim().splitn(3, ':').map(str::trim);
        let mut part = || parts.next().filter(|part| !part.is_empty() && is_plain(part));
        match (part(), part()) {
            (Some(id), Some(secret)) => Ok(Self {
                id: id.to_owned(),
                secret: Zeroizing::new(secret.to_owned()),
                token: part().map(|token| Zeroizing::new(token.to_owned())),
            }),
            _ => Err("the secret of the bucket is not two values".to_owned()
                + "\nhint: it is `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, with `:SESSION_TOKEN` behind it \
                   for a session"),
        }
    }
}

/// Whether it can stand in a header.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Bucket {
    /// A bucket by its name: below the path of the endpoint, or below a host of its own.
    pub fn new(endpoint: &Url, region: &str, name: &str, is_path: bool) -> Result<Self, String> {
        let is_name = (3..=63).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
        if !is_name {
            return Err(format!("`{}` is not a name of a bucket", countersign_text::line(name)));
        }
        let is_region =
            !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_region {
            return Err(format!("`{}` is not a region", countersign_text::line(region)));
        }
        let is_web = matches!(endpoint.scheme(), "https" | "http") && endpoint.has_host();
        let is_bare = endpoint.username().is_empty()
            && endpoint.password().is_none()
            && endpoint.query().is_none()
            && endpoint.fragment().is_none();
        if !is_web || !is_bare {
            return Err("the endpoint is not a web address without user, query and fragment".into());
        }
        let mut address = endpoint.clone();
        if is_path {
            address.set_path(&format!("{}/{name}", endpoint.path().trim_end_matches('/')));
        } else {
            let host = match endpoint.host() {
                Some(Host::Domain(host)) => format!("{name}.{host}"),
                _ => {
                    return Err(
                        "an endpoint that is an IP address needs `path_style = true`".into()
                    );
                }
            };
            address.set_host(Some(&host)).map_err(|_| "the endpoint is not a web address")?;
        }
        let address = address.as_str().trim_end_matches('/').to_owned();
        Ok(Self { address, region: region.to_owned() })
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Puts an object. One that is there already stays where `is_new` is asked for and the
    /// store knows the condition.
    pub fn put(
        &self,
        keys: &Keys,
        key: &str,
        content: &[u8],
        is_new: bool,
        now_ms: i64,
    ) -> Result<Request, String> {
        let url = self.url(&encoded(key, Slash::Kept), "")?;
        let mut request = Request::new(Method::Put, url)
            .header("content-type", "application/octet-stream")
            .body(content.to_vec());
        if is_new {
            request = request.header("if-none-match", "*");
        }
        self.sign(request, keys, now_ms)
    }

    /// Asks for the first object below a prefix, which changes nothing.
    pub fn list(&self, keys: &Keys, prefix: &str, now_ms: i64) -> Result<Request, String> {
        let query = format!("list-type=2&max-keys=1&prefix={}", encoded(prefix, Slash::Encoded));
        let request = Request::new(Method::Get, self.url("", &query)?);
        self.sign(request, keys, now_ms)
    }

    fn url(&self, path: &str, query: &str) -> Result<Url, String> {
        let mark = if query.is_empty() { "" } else { "?" };
        let text = format!("{}/{path}{mark}{query}", self.address);
        let url = Url::parse(&text).map_err(|_| "the key of the object is no path")?;
        // What was signed has to be what is asked for.
        match url.as_str() == text {
            true => Ok(url),
            false => Err("the key of the object is no path".to_owned()),
        }
    }

    /// With the headers of a signature. All others that it has are signed too.
    pub fn sign(&self, request: Request, keys: &Keys, now_ms: i64) -> Result<Request, String> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        };
        let at = moment(now_ms).ok_or("there is no date to sign with")?;
        let payload = HEXLOWER.encode(&Sha256::digest(&request.body));
        let mut request = request
            .header("x-amz-content-sha256", payload.as_str())
            .header("x-amz-date", at.as_str());
        if let Some(token) = &keys.token {
            request = request.header("x-amz-security-token", token.as_str());
        }
        let mut headers: Vec<_> =
            request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let host = host_of(&request.url);
        headers.push(("host", &host));
        headers.sort_unstable();
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let canonical = canonical(method, &request.url, &headers, &names, &payload);
        let scope = format!("{}/{}/s3/aws4_request", &at[..8], self.region);
        let hashed = HEXLOWER.encode(&Sha256::digest(canonical.as_bytes()));
        let to_sign = format!("{ALGORITHM}\n{at}\n{scope}\n{hashed}");
        let key = signing_key(&keys.secret, &at[..8], &self.region);
        let signature = HEXLOWER.encode(&mac(&key[..], to_sign.as_bytes())[..]);
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            keys.id
        );
        Ok(request.header("authorization", authorization))
    }
}

/// The canonical request. S3 takes path and query encoded once, as they are asked for.
fn canonical(
    method: &str,
    url: &Url,
    headers: &[(&str, &str)],
    names: &str,
    payload: &str,
) -> String {
    let mut query: Vec<_> = url.query().unwrap_or_default().split('&').collect();
    query.sort_unstable();
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    format!("{method}\n{}\n{}\n{lines}\n{names}\n{payload}", url.path(), query.join("&"))
}

/// As clients write it: with a port that is not the scheme's.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn signing_key(secret: &str, day: &str, region: &str) -> Zeroizing<[u8; 32]> {
    let first = Zeroizing::new(format!("AWS4{secret}"));
    let mut key = mac(first.as_bytes(), day.as_bytes());
    for part in [region, "s3", "aws4_request"] {
        key = mac(&key[..], part.as_bytes());
    }
    key
}

fn mac(key: &[u8], text: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is one");
    mac.update(text);
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(&mac.finalize().into_bytes());
    out
}

/// `20260601T000000Z`.
fn moment(now_ms: i64) -> Option<String> {
    let text = countersign_findings::rfc3339(now_ms);
    let second = text.get(..19)?;
    Some(second.replace(['-', ':'], "") + "Z")
}

/// What becomes of a slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slash {
    Kept,
    Encoded,
}

/// As S3 wants it: all bytes but letters, digits and `-._~` by their numbers.
fn encoded(text: &str, slash: Slash) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'/' if slash == Slash::Kept => out.push('/'),
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
