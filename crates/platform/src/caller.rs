//! Who sends a request, proven by its signature; and what it may do, proven by
//! type: a handler that takes a [`Grant`] cannot be reached without it.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use countersign_signing::{ApiSecret, Authorization, Request, SigningKey};

use crate::nonces::Claim;
use crate::recorder::Trace;
use crate::rest::error::Refusal;
use crate::state::AppState;
use countersign_tenant::Act;
use countersign_tenant::clients::{self, BearerFault};
use countersign_tenant::credentials::Signatory;
use countersign_tenant::roles::Permission;
use countersign_tenant::users::User;

/// The proven sender of a request.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) user: Arc<User>,
    pub(crate) by: By,
    /// `https://` and the host that the request came to, for links.
    pub(crate) base: String,
    /// The network address that it came from.
    pub(crate) address: Option<IpAddr>,
}

/// What proved who the sender is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum By {
    /// The signature of this pair.
    Pair(String),
    /// A token of an OAuth client; the roles are those of the client.
    Token,
}

/// Why a request is not authenticated. The caller never learns which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    NoHeader,
    SeveralHeaders,
    Malformed,
    NoHost,
    Stale,
    Future,
    UnknownId,
    Mismatch,
    Expired,
    Revoked,
    Disabled,
    Address,
    Replayed,
    NonceMemoryFull,
    UnknownToken,
    ExpiredToken,
    DeadClient,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::NoHeader => "no_header",
            Self::SeveralHeaders => "several_headers",
            Self::Malformed => "malformed_header",
            Self::NoHost => "no_host",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::UnknownId => "unknown_id",
            Self::Mismatch => "signature_mismatch",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Disabled => "account_disabled",
            Self::Address => "address_not_allowed",
            Self::Replayed => "replayed_nonce",
            Self::NonceMemoryFull => "nonce_memory_full",
            Self::UnknownToken => "unknown_token",
            Self::ExpiredToken => "expired_token",
            Self::DeadClient => "client_expired_or_revoked",
        }
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Refusal;

    /// Proven once for each request: a nonce can be claimed only once.
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        if let Some(proven) = parts.extensions.get::<Self>() {
            return Ok(proven.clone());
        }
        let proven = Self::prove(parts, state)?;
        parts.extensions.insert(proven.clone());
        Ok(proven)
    }
}

impl Caller {
    /// Who changes something by this request.
    pub(crate) fn act(&self) -> Act {
        let from = self.address.map(|ip| ip.to_string());
        Act::of(&self.user.name, from.unwrap_or_default())
    }

    fn prove(parts: &Parts, state: &AppState) -> Result<Self, Refusal> {
        let host = host_of(parts);
        let trace = parts.extensions.get::<Trace>();
        let proven = match bearer_token(parts) {
            Some(token) => by_token(parts, token, state),
            None => authenticate(parts, host.as_deref(), state).map(|signatory| {
                let by = By::Pair(signatory.credential.api_id.clone());
                (Arc::clone(&signatory.user), by)
            }),
        };
        match proven {
            Ok((user, by)) => {
                if let Some(trace) = trace {
                    trace.note(|notes| notes.caller = Some(user.name.clone()));
                }
                let base = format!("https://{}", host.unwrap_or_default());
                Ok(Self { user, by, base, address: address_of(parts) })
            }
            Err(Verdict::Refused(cause)) => {
                if let Some(trace) = trace {
                    trace.note(|notes| notes.cause = Some(cause.as_str()));
                }
                let refusal = Refusal::unauthenticated(state);
                tracing::info!(
                    cause = cause.as_str(),
                    conversation_id = refusal.conversation_id(),
                    path = parts.uri.path(),
                    "request refused"
                );
                Err(refusal)
            }
            Err(Verdict::Failed(error)) => Err(Refusal::internal(&error)),
        }
    }
}

enum Verdict {
    Refused(Cause),
    Failed(countersign_tenant::Error),
}

impl From<Cause> for Verdict {
    fn from(cause: Cause) -> Self {
        Self::Refused(cause)
    }
}

/// The token of the one `Authorization` header, if that is a bearer's.
fn bearer_token(parts: &Parts) -> Option<&str> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let value = headers.next()?.to_str().ok()?;
    headers.next().is_none().then_some(())?;
    value.strip_prefix("Bearer ")
}

/// A token is judged by the platform's time: it has none of its own.
fn by_token(parts: &Parts, token: &str, state: &AppState) -> Result<(Arc<User>, By), Verdict> {
    if token.len() > 256 {
        return Err(Cause::UnknownToken.into());
    }
    host_of(parts).ok_or(Cause::NoHost)?;
    let judged = state.tenant().look(|view| clients::bearer(view, token));
    let user = judged.map_err(Verdict::Failed)?.map_err(|fault| match fault {
        BearerFault::Unknown => Cause::UnknownToken,
        BearerFault::Expired => Cause::ExpiredToken,
        BearerFault::ClientDead => Cause::DeadClient,
    })?;
    if !user.active {
        return Err(Cause::Disabled.into());
    }
    if user.ip_restricted && !address_is_allowed(parts, &user.allowed_ips) {
        return Err(Cause::Address.into());
    }
    Ok((Arc::new(user), By::Token))
}

/// Parse, window, look up, compare, state, and the nonce last: nobody can burn a
/// nonce without the key.
fn authenticate(
    parts: &Parts,
    host: Option<&str>,
    state: &AppState,
) -> Result<Arc<Signatory>, Verdict> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let value = headers.next().ok_or(Cause::NoHeader)?;
    if headers.next().is_some() {
        return Err(Cause::SeveralHeaders.into());
    }
    let text = value.to_str().map_err(|_| Cause::Malformed)?;
    let header = Authorization::parse(text).map_err(|_| Cause::Malformed)?;
    let now_ms = state.now();
    let judged_ms = state.clock().judging_now();
    let window = state.window();
    window
        .check(header.timestamp_ms(), u64::try_from(judged_ms).unwrap_or_default())
        .map_err(|error| if error.is_stale() { Cause::Stale } else { Cause::Future })?;
    let api_id = header.id().to_ascii_lowercase();
    let signatory = state.tenant().signatory(&api_id).map_err(Verdict::Failed)?;
    let host = name_of(host.ok_or(Cause::NoHost)?);
    let target = raw_target(parts);
    // JavaScript clients sign a bare `'` and send `%27`.
    let escaped = target.split_once('?').filter(|(_, query)| query.contains("%27"));
    let unescaped = escaped.map(|(path, query)| format!("{path}?{}", query.replace("%27", "'")));
    let targets = std::iter::once(target).chain(unescaped.as_deref());
    let method = parts.method.as_str();
    // Java's and Node's signers keep the brackets of an address, Python's and Go's do not.
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let hosts = std::iter::once(host).chain(bare).chain(state.aliases());
    let candidates: Vec<_> = targets
        .flat_map(|target| hosts.clone().map(move |host| Request::new(method, host, target)))
        .collect();
    let Some(signatory) = signatory else {
        // The same signature work as for a known id. The lookup itself differs:
        // a known id is usually remembered.
        let dummy = SigningKey::new(&ApiSecret::from_bytes(vec![0; 64]));
        let _ = dummy.verify(&header, candidates);
        return Err(Cause::UnknownId.into());
    };
    signatory.key.verify(&header, candidates).map_err(|_| Cause::Mismatch)?;

    let credential = &signatory.credential;
    if credential.revoked_ms.is_some_and(|revoked_ms| now_ms >= revoked_ms) {
        return Err(Cause::Revoked.into());
    }
    if now_ms >= credential.expires_ms {
        return Err(Cause::Expired.into());
    }
    if !signatory.user.active {
        return Err(Cause::Disabled.into());
    }
    if signatory.user.ip_restricted && !address_is_allowed(parts, &signatory.user.allowed_ips) {
        return Err(Cause::Address.into());
    }
    let signed_ms = i64::try_from(header.timestamp_ms()).unwrap_or(judged_ms);
    match state.nonces().claim(header.replay_tag(), signed_ms, judged_ms) {
        Claim::Fresh => {}
        Claim::Replayed => return Err(Cause::Replayed.into()),
        Claim::Full => return Err(Cause::NonceMemoryFull.into()),
    }
    state.tenant().used(&api_id, now_ms);
    Ok(signatory)
}

/// The target as it came over the wire: no router here strips or decodes it.
fn raw_target(parts: &Parts) -> &str {
    parts.uri.path_and_query().map_or("/", |target| target.as_str())
}

fn host_of(parts: &Parts) -> Option<String> {
    let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = header.or_else(|| parts.uri.authority().map(|authority| authority.as_str()))?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b);
    (!host.is_empty() && host.len() < 256 && host.bytes().all(is_plain)).then(|| host.to_owned())
}

/// Without the port.
fn name_of(host: &str) -> &str {
    match host.rfind(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or(host),
    }
}

/// The network address that a request comes from.
pub(crate) fn address_of(parts: &Parts) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(peer.ip().to_canonical())
}

fn address_is_allowed(parts: &Parts, allowed: &[String]) -> bool {
    let address = address_of(parts);
    address.is_some_and(|ip| countersign_tenant::addresses::is_allowed(ip, allowed))
}

/// A caller whose own pair signed the request. What makes, replaces or revokes
/// secrets asks for it: a token with few roles must not turn into a pair with
/// all of them.
pub(crate) struct Signed(pub(crate) Caller);

impl FromRequestParts<AppState> for Signed {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, state).await?;
        match caller.by {
            By::Pair(_) => Ok(Self(caller)),
            By::Token => Err(Refusal::gateway(403, "this resource needs a signed request")),
        }
    }
}

/// A permission that an endpoint asks for, as a type.
pub(crate) trait Needs: Send + Sync + 'static {
    const PERMISSION: Permission;
}

macro_rules! needs {
    ($($name:ident),*) => {$(
        pub(crate) struct $name;
        impl Needs for $name {
            const PERMISSION: Permission = Permission::$name;
        }
    )*};
}
needs!(
    ReadApplications,
    ReadFindings,
    ReadSandboxes,
    WriteApplications,
    WriteSandboxes,
    ManageIdentity,
    ReadCollections,
    WriteCollections,
    ReadReports
);

/// A caller that holds the permission.
pub(crate) struct Grant<P> {
    pub(crate) caller: Caller,
    permission: PhantomData<P>,
}

impl<P: Needs> FromRequestParts<AppState> for Grant<P> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if !caller.user.may(P::PERMISSION) {
            return Err(Refusal::forbidden());
        }
        Ok(Self { caller, permission: PhantomData })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_no_part_of_the_name() {
        assert_eq!(name_of("localhost:8443"), "localhost");
        assert_eq!(name_of("[::1]:8443"), "[::1]");
        assert_eq!(name_of("api.example.com"), "api.example.com");
    }
}
