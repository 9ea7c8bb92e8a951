//! Whose API credentials a call is signed with: one rule for all that signs for a URL.
//!
//! 1. An integration that is named, for its own host alone.
//! 2. What the environment names: that is as explicit as a word of the command line, and
//!    wins over any choice that nobody made.
//! 3. The integration whose address the URL has, else the one on its host; without a URL,
//!    the only one.
//! 4. Without any integration, the file of other tools, for hosts of its region.

use countersign_client::{Client, Url};
use countersign_connector::integration::Place;
use countersign_connector::keyfiles::sources::Found;
use countersign_signing::{Pair, Region};
use countersign_store::Integration;
use countersign_vault::Secret;

use super::context::{Context, parse_url};
use crate::advice::CommandLine;
use crate::failure::Failure;
use crate::forms::{enter_telling, machine};

/// What is to be signed.
pub(crate) struct Asked<'a> {
    /// The integration, if one is named.
    pub(crate) name: Option<&'a str>,
    /// Where the call goes; none for a path.
    pub(crate) url: Option<&'a Url>,
    /// Whether we send it ourselves, to the integration's own address. A signature is for
    /// a host, on whichever port.
    pub(crate) is_sent: bool,
    /// The same command, without an integration.
    pub(crate) bare: CommandLine,
    /// The same command with an integration named.
    pub(crate) again: &'a dyn Fn(&str) -> CommandLine,
}

/// Who signs.
pub(crate) enum Whose {
    Integration(Integration),
    /// Credentials that are not in the vault.
    Given(Pair, Place),
}

impl Whose {
    /// Where it is used.
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Integration(one) => &one.url,
            Self::Given(_, place) => &place.url,
        }
    }

    pub(crate) async fn pair(self, context: &Context) -> Result<Pair, Failure> {
        match self {
            Self::Integration(one) => context.pair_of(&one).await,
            Self::Given(pair, _) => Ok(pair),
        }
    }

    pub(crate) fn client(
        &self,
        context: &Context,
        purpose: &'static str,
    ) -> Result<Client, Failure> {
        match self {
            Self::Integration(one) => context.client_of(one, purpose),
            Self::Given(pair, place) => context.client(place, &Secret::Pair(pair.clone())),
        }
    }
}

pub(crate) async fn choose(context: &Context, asked: &Asked<'_>) -> Result<Whose, Failure> {
    let all = context.store().integrations().await?;
    if let Some(name) = asked.name {
        let one = context.integration(Some(name)).await?;
        let is_another = |url: &&Url| {
            let has_own = all.iter().any(|other| is_at(other, url));
            !is_at(&one, url) && (has_own || !is_on(&one, url, asked))
        };
        return match asked.url.filter(is_another) {
            Some(url) => Err(elsewhere(url, &[&one], &all, asked)),
            None => Ok(Whose::Integration(one)),
        };
    }
    if let Some(found) = machine().named_by_environment()? {
        return given(found, asked.url, &all);
    }
    let Some(url) = asked.url else {
        return match all.is_empty() {
            true => of_file(None),
            false => Ok(Whose::Integration(only(all, asked)?)),
        };
    };
    let mut own: Vec<_> = all.iter().filter(|one| is_at(one, url)).collect();
    if own.is_empty() {
        own = all.iter().filter(|one| is_on(one, url, asked)).collect();
    }
    match own.as_slice() {
        [one] => Ok(Whose::Integration((*one).clone())),
        [first, ..] => Err(several(&own, &format!(" at `{}`", first.url), asked)),
        [] if all.is_empty() => of_file(Some(url)),
        [] => Err(elsewhere(url, &all.iter().collect::<Vec<_>>(), &all, asked)),
    }
}

fn is_at(one: &Integration, url: &Url) -> bool {
    Url::parse(&one.url).is_ok_and(|own| own.origin() == url.origin())
}

/// On its host, for what is signed and not sent.
fn is_on(one: &Integration, url: &Url, asked: &Asked<'_>) -> bool {
    !asked.is_sent && Url::parse(&one.url).is_ok_and(|own| own.host() == url.host())
}

fn only(mut all: Vec<Integration>, asked: &Asked<'_>) -> Result<Integration, Failure> {
    match all.len() {
        1 => Ok(all.remove(0)),
        _ => Err(several(&all.iter().collect::<Vec<_>>(), "", asked)),
    }
}

fn several(all: &[&Integration], place: &str, asked: &Asked<'_>) -> Failure {
    let commands: Vec<_> = all.iter().map(|one| (asked.again)(&one.name).to_string()).collect();
    Failure::usage(format!(
        "there are several integrations{place}\nhint: {}",
        commands.join(" or ")
    ))
}

/// No credentials that are known are for this host.
fn elsewhere(url: &Url, meant: &[&Integration], all: &[Integration], asked: &Asked<'_>) -> Failure {
    let places: Vec<_> =
        meant.iter().map(|one| format!("`{}` is at {}", one.name, one.url)).collect();
    let own = all.iter().find(|one| is_at(one, url));
    let neighbour = all.iter().find(|one| region_of(&one.url).is_some_and(|it| is_of(it, url)));
    let hint = match (own, neighbour) {
        (Some(one), _) => format!("{} signs for that host", (asked.again)(&one.name)),
        // Another host of the same region: whoever says so has it signed.
        (None, Some(one)) => format!(
            "{} signs with the credentials of `{}` for another host of its region",
            asked.bare.within(&["credentials", "env", &one.name, "--"]),
            one.name,
        ),
        (None, None) => format!("{} adds an integration for it", add(url)),
    };
    Failure::usage(format!(
        "there are no credentials for `{}`: {}, and nothing is signed for another host\nhint: {hint}",
        origin(url),
        places.join(", "),
    ))
}

fn add(url: &Url) -> CommandLine {
    let name = url.host_str().unwrap_or("other").replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    CommandLine::of(&["integration", "add", name.trim_matches('-'), "--url", &origin(url)])
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn region_of(url: &str) -> Option<Region> {
    Region::of_rest_host(Url::parse(url).ok()?.host_str()?)
}

/// Whether a host is one of Veracode's in this region.
fn is_of(region: Region, url: &Url) -> bool {
    let domain = region.rest_host().trim_start_matches("api");
    url.host_str().is_some_and(|host| host.ends_with(domain))
}

/// Credentials of the environment. Who has set them means them, on whichever server of its
/// own; a region is known to be wrong.
fn given(found: Found, url: Option<&Url>, all: &[Integration]) -> Result<Whose, Failure> {
    let pair = enter_telling(&found.written.id, &found.written.secret)?;
    let meant = found.written.url.as_deref().map(parse_url).transpose()?;
    let region_url = format!("https://{}", pair.region().rest_host());
    let own = match (meant, pair.id.is_prefixed()) {
        (Some(meant), _) => Some(meant),
        (None, true) => url
            .filter(|url| is_other_region(&pair, url))
            .map(|_| parse_url(&region_url))
            .transpose()?,
        (None, false) => None,
    };
    let is_meant = |url: &&Url| own.as_ref().is_none_or(|own| own.origin() == url.origin());
    if let (Some(url), Some(own)) = (url.filter(|url| !is_meant(url)), &own) {
        return Err(Failure::usage(format!(
            "the credentials of {} are for `{}`, and nothing is signed for another host\nhint: {} adds an integration for `{}`; without credentials in the environment it is chosen by itself",
            found.place,
            origin(own),
            add(url),
            origin(url),
        )));
    }
    let base = url.map(origin).or(own.as_ref().map(origin)).unwrap_or(region_url);
    let known = Url::parse(&base).ok().and_then(|base| all.iter().find(|one| is_at(one, &base)));
    let place = match known {
        Some(known) => Place::from(known),
        None => Place { url: base, ca_pem: None, allow_http_loopback: false },
    };
    Ok(Whose::Given(pair, place))
}

fn is_other_region(pair: &Pair, url: &Url) -> bool {
    let region = url.host_str().and_then(Region::of_rest_host);
    region.is_some_and(|region| region != pair.region())
}

/// Credentials that other tools keep: nobody has named them, so they sign for their own
/// hosts alone.
fn of_file(url: Option<&Url>) -> Result<Whose, Failure> {
    let hint = match url {
        Some(url) => add(url),
        None => CommandLine::of(&["integration", "add", "prod"]),
    };
    let found = machine()
        .first(None)
        .map_err(|error| Failure::from(error).with_hint(format!("{hint} adds an integration")))?;
    let pair = enter_telling(&found.written.id, &found.written.secret)?;
    let own = match &found.written.url {
        Some(own) => parse_url(own)?,
        None => parse_url(&format!("https://{}", pair.region().rest_host()))?,
    };
    let is_own = |url: &Url| {
        own.origin() == url.origin() || found.written.url.is_none() && is_of(pair.region(), url)
    };
    if let Some(url) = url.filter(|url| !is_own(url)) {
        return Err(Failure::usage(format!(
            "the credentials of {} are for `{}`, and nothing is signed for another host\nhint: {hint} adds an integration for `{}`",
            found.place,
            origin(&own),
            origin(url),
        )));
    }
    let url = url.map_or_else(|| origin(&own), origin);
    Ok(Whose::Given(pair, Place { url, ca_pem: None, allow_http_loopback: false }))
}
