//! What can be wrong between here and the service.

use countersign_client::{Blame, Error};

use super::reach::Reach;
use super::trouble::{Trouble, cause_and_fix};
use crate::error::Fault;

/// The trouble behind a request that failed for another reason than the pair.
pub(super) fn why(reach: &Reach<'_>, error: &Error) -> Trouble {
    let url = reach.url();
    if let Some(what) = error.untrusted_certificate() {
        return certificate(reach, what);
    }
    if let Some(unreached) = error.unreached() {
        let name = match unreached.blame() {
            Blame::Service => "service_unreachable",
            Blame::ProxySilent => "proxy_unreachable",
            Blame::ProxyRefuses => "proxy_refuses",
        };
        return Trouble::new(name, Fault::Upstream, unreached.cause(), unreached.fix());
    }
    let (cause, fix) = cause_and_fix(&error.to_string());
    let exit = if error.is_config() { Fault::Config } else { Fault::Upstream };
    match error.status() {
        Some(429) => {
            let fix = "wait a minute; lower `client.requests_per_minute` where other tools share \
                       the address";
            Trouble::new("rate_limited", Fault::Upstream, cause, fix)
        }
        Some(400..=499) => {
            let cause = format!("{url} answers, but not as the service does: {cause}");
            let fix = "correct the URL: scheme and host of the REST APIs, such as \
                       https://api.veracode.com";
            Trouble::new("url_wrong", Fault::Upstream, cause, fix)
        }
        _ => {
            let fix = fix.unwrap_or_else(|| "try again later; the trouble is the service's".into());
            Trouble::new("service_failing", exit, cause, fix)
        }
    }
}

fn certificate(reach: &Reach<'_>, what: &str) -> Trouble {
    let url = reach.url();
    let lower = what.to_lowercase();
    let (name, cause, fix) = if lower.contains("not valid for name")
        || lower.contains("notvalidforname")
    {
        (
            "certificate_name",
            format!("the certificate at {url} is another name's: {what}"),
            "correct the URL: its host must be a name in the certificate".to_owned(),
        )
    } else if lower.contains("expired")
        || lower.contains("not valid yet")
        || lower.contains("notvalidyet")
    {
        (
            "certificate_expired",
            format!("the certificate at {url} is not valid at this time: {what}"),
            "check this machine's clock; when it is right, the service needs a new certificate"
                .to_owned(),
        )
    } else if let Some((proxy, _)) = reach.proxy() {
        (
            "ca_unknown",
            format!("the certificate at {url} is signed by an authority unknown here: {what}"),
            format!(
                "add the integration again under another name, with `--ca-file` of the authority \
                 that signs for {url}, or for the proxy {proxy} if that looks into TLS"
            ),
        )
    } else {
        let kept = match &reach.place.ca_pem {
            Some(_) => ", and not by the one that is kept with the integration",
            None => "",
        };
        (
            "ca_unknown",
            format!(
                "the certificate at {url} is signed by an authority unknown here{kept}: {what}"
            ),
            format!(
                "add the integration again under another name, with `--ca-file` of the authority \
                 that signs for {url} (`ca.pem` in the data directory of a platform)"
            ),
        )
    };
    Trouble::new(name, Fault::Upstream, cause, fix)
}
