//! Takes out of real data whose it is. What is kept is what everybody may know:
//! numbers, dates, states, weaknesses, vulnerabilities, components. The same text
//! becomes the same token under the same seed, so that pages still fit together.

use countersign_wire::application::Profile;
use countersign_wire::finding::{
    Annotation, DynamicDetails, Finding, FindingDetails, ManualDetails, Reference, ScaDetails,
    StaticDetails,
};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};

use crate::marks::BASE;

/// Hosts that references lead to: public pages about weaknesses.
const PUBLIC_HOSTS: [&str; 9] = [
    "cwe.mitre.org",
    "owasp.org",
    "www.owasp.org",
    "cheatsheetseries.owasp.org",
    "nvd.nist.gov",
    "webappsec.org",
    "projects.webappsec.org",
    "docs.veracode.com",
    "www.veracode.com",
];

/// Beginnings of functions that belong to a language or a public library.
const PUBLIC_FUNCTIONS: [&str; 9] = [
    "java.",
    "javax.",
    "jakarta.",
    "org.apache.",
    "org.slf4j.",
    "org.springframework.",
    "System.",
    "Microsoft.",
    "android.",
];

/// Words of paths and names that say nothing about anybody.
const PLAIN_WORDS: [&str; 48] = [
    "api",
    "app",
    "asp",
    "aspx",
    "bin",
    "c",
    "class",
    "com",
    "config",
    "cpp",
    "cs",
    "css",
    "dll",
    "exe",
    "go",
    "h",
    "html",
    "id",
    "index",
    "jar",
    "java",
    "js",
    "json",
    "jsp",
    "jsx",
    "kt",
    "lib",
    "main",
    "net",
    "org",
    "php",
    "py",
    "rb",
    "resources",
    "scala",
    "src",
    "swift",
    "test",
    "ts",
    "tsx",
    "v1",
    "v2",
    "vb",
    "war",
    "web",
    "webapp",
    "xml",
    "zip",
];

pub(crate) struct Scrubber {
    seed: String,
}

impl Scrubber {
    pub(crate) fn new(seed: &str) -> Self {
        Self { seed: seed.to_owned() }
    }

    fn digest(&self, kind: &str, text: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [&self.seed, kind, text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().into()
    }

    fn token(&self, kind: &str, text: &str) -> String {
        HEXLOWER.encode(&self.digest(kind, text)[..4])
    }

    /// `Application 1f2e3d4c`.
    pub(crate) fn name(&self, kind: &str, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        format!("{kind} {}", self.token(kind, &text.to_lowercase()))
    }

    pub(crate) fn guid(&self, text: &str) -> String {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.digest("guid", &text.to_lowercase())[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
    }

    /// A number of eight digits in place of one that the real service counts.
    pub(crate) fn number(&self, number: i64) -> i64 {
        let digest = self.digest("number", &number.to_string());
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&digest[..4]);
        10_000_000 + i64::from(u32::from_be_bytes(bytes) % 90_000_000)
    }

    pub(crate) fn mail(&self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        format!("person-{}@example.com", self.token("mail", &text.to_lowercase()))
    }

    fn host(&self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        format!("host-{}.example.com", self.token("host", &text.to_lowercase()))
    }

    fn sentence(&self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        format!("A text of {} characters.", text.chars().count())
    }

    /// Word by word, so that paths and names keep their shape.
    fn words(&self, text: &str) -> String {
        let mut scrubbed = String::with_capacity(text.len());
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
            let (piece, tail) = rest.split_at(end);
            let is_plain = !is_word(first)
                || piece.chars().all(|c| c.is_ascii_digit())
                || PLAIN_WORDS.contains(&piece.to_ascii_lowercase().as_str());
            if is_plain {
                scrubbed.push_str(piece);
            } else {
                scrubbed.push('w');
                scrubbed.push_str(&self.token("word", piece)[..6]);
            }
            rest = tail;
        }
        scrubbed
    }

    fn function(&self, text: &str) -> String {
        match PUBLIC_FUNCTIONS.iter().any(|known| text.starts_with(known)) {
            true => text.to_owned(),
            false => self.words(text),
        }
    }

    /// Scheme and port stay; what comes after the host goes word by word.
    fn url(&self, text: &str) -> String {
        let Some((scheme, rest)) = text.split_once("://") else { return self.words(text) };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
        if PUBLIC_HOSTS.contains(&host.to_lowercase().as_str()) {
            return text.to_owned();
        }
        let joint = if port.is_empty() { "" } else { ":" };
        format!("{scheme}://{}{joint}{}{}", self.host(host), self.words(port), self.words(path))
    }

    /// Words of the vendor around names of the customer: the names that the finding
    /// holds elsewhere, addresses, hosts.
    fn prose(&self, text: &str, replaced: &[(String, String)]) -> String {
        let mut text = text.to_owned();
        for (real, made) in replaced {
            if real.len() > 2 && real != made {
                text = text.replace(real, made);
            }
        }
        let is_end = |c: char| c.is_whitespace() || "<>\"'(),;".contains(c);
        let mut scrubbed = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c| is_end(c) != is_end(first)).unwrap_or(rest.len());
            let (piece, tail) = rest.split_at(end);
            scrubbed.push_str(&self.piece(piece));
            rest = tail;
        }
        scrubbed
    }

    fn piece(&self, piece: &str) -> String {
        let is_address = piece.trim_end_matches('.').parse::<std::net::IpAddr>().is_ok();
        match piece.split_once('@') {
            Some((_, host)) if host.contains('.') => self.mail(piece),
            _ if piece.contains("://") => self.url(piece),
            _ if is_address => "192.0.2.1".into(),
            _ => piece.to_owned(),
        }
    }

    pub(crate) fn profile(&self, profile: &mut Profile) {
        let name = profile.name.take().unwrap_or_default();
        profile.name = Some(self.name("Application", &name));
        profile.description = profile.description.take().map(|text| self.sentence(&text));
        profile.tags = profile.tags.take().map(|tags| {
            let tags = tags.split(',').map(|tag| match tag.trim() {
                "" => String::new(),
                tag => format!("tag-{}", self.token("tag", tag)),
            });
            tags.collect::<Vec<_>>().join(",")
        });
        for owner in &mut profile.business_owners {
            owner.name = owner.name.take().map(|name| self.name("Person", &name));
            owner.email = owner.email.take().map(|mail| self.mail(&mail));
        }
        for field in profile.custom_fields.iter_mut().flatten() {
            field.name = field.name.take().map(|name| self.name("Field", &name));
            let value = field.value.take();
            field.value = value.map(|value| match value.is_empty() {
                true => value,
                false => self.token("value", &value),
            });
        }
        // Switches say nothing about anybody; whatever else is among them might.
        if let Some(settings) = &mut profile.settings {
            settings.0.retain(|(name, value)| {
                let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
                (value.is_boolean() || value.is_null()) && name.bytes().all(is_plain)
            });
        }
        profile.archer_app_name = profile.archer_app_name.take().map(|n| self.name("Archer", &n));
        profile.git_repo_url = profile.git_repo_url.take().map(|url| self.url(&url));
        profile.custom_kms_alias = profile.custom_kms_alias.take().map(|n| self.name("Key", &n));
    }

    pub(crate) fn finding(&self, finding: &mut Finding) -> Result<(), String> {
        let mut replaced = Vec::new();
        match &mut finding.finding_details {
            FindingDetails::Static(details) => self.r#static(details, &mut replaced),
            FindingDetails::Dynamic(details) => self.dynamic(details, &mut replaced),
            FindingDetails::Manual(details) => self.manual(details),
            FindingDetails::Sca(details) => self.sca(details, &mut replaced),
            _ => return Err(format!("the scan type `{}` is not known", finding.scan_type)),
        }
        // The longest first: a path before the name of its file.
        replaced.sort_by_key(|(real, _)| std::cmp::Reverse(real.len()));
        finding.description = finding.description.take().map(|text| {
            let is_manual = matches!(finding.finding_details, FindingDetails::Manual(_));
            let decoded = BASE64.decode(text.as_bytes()).ok();
            match decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
                _ if is_manual => self.sentence(&text),
                Some(html) if html.starts_with('<') => {
                    BASE64.encode(self.prose(&html, &replaced).as_bytes())
                }
                _ => self.prose(&text, &replaced),
            }
        });
        for annotation in finding.annotations.iter_mut().flatten() {
            self.annotation(annotation);
        }
        Ok(())
    }

    fn annotation(&self, annotation: &mut Annotation) {
        annotation.user_name = annotation.user_name.take().map(|name| self.mail(&name));
        for text in [
            &mut annotation.comment,
            &mut annotation.technique,
            &mut annotation.specifics,
            &mut annotation.remaining_risk,
            &mut annotation.verification,
        ] {
            *text = text.take().map(|text| self.sentence(&text));
        }
    }

    fn r#static(&self, details: &mut StaticDetails, replaced: &mut Vec<(String, String)>) {
        for text in [
            &mut details.file_path,
            &mut details.file_name,
            &mut details.module,
            &mut details.procedure,
        ] {
            replace(text, |text| self.words(text), replaced);
        }
        replace(&mut details.attack_vector, |text| self.function(text), replaced);
        linked(&mut details.cwe, "cwes");
        linked(&mut details.finding_category, "categories");
    }

    fn dynamic(&self, details: &mut DynamicDetails, replaced: &mut Vec<(String, String)>) {
        replace(&mut details.url, |text| self.url(text), replaced);
        replace(&mut details.hostname, |text| self.host(text), replaced);
        for text in [&mut details.path, &mut details.vulnerable_parameter] {
            replace(text, |text| self.words(text), replaced);
        }
        linked(&mut details.cwe, "cwes");
        linked(&mut details.finding_category, "categories");
    }

    fn manual(&self, details: &mut ManualDetails) {
        for text in [
            &mut details.exploit_desc,
            &mut details.input_vector,
            &mut details.location,
            &mut details.module,
            &mut details.remediation_desc,
            &mut details.severity_desc,
        ] {
            *text = text.take().map(|text| self.sentence(&text));
        }
        linked(&mut details.cwe, "cwes");
        linked(&mut details.finding_category, "categories");
    }

    /// Components are public; where they lie is not.
    fn sca(&self, details: &mut ScaDetails, replaced: &mut Vec<(String, String)>) {
        for id in [&mut details.component_id, &mut details.product_id] {
            *id = id.take().map(|id| self.guid(&id));
        }
        let file = details.component_filename.clone().unwrap_or_default();
        for place in details.component_path.iter_mut().flatten() {
            let in_folder = |text: &str| match text.strip_suffix(&file) {
                Some(folder) if !file.is_empty() => format!("{}{file}", self.words(folder)),
                _ => self.words(text),
            };
            replace(&mut place.path, in_folder, replaced);
        }
        linked(&mut details.cwe, "cwes");
    }
}

fn replace(
    text: &mut Option<String>,
    scrub: impl Fn(&str) -> String,
    replaced: &mut Vec<(String, String)>,
) {
    if let Some(real) = text.take() {
        let made = scrub(&real);
        *text = Some(made.clone());
        replaced.push((real, made));
    }
}

/// A link to this platform's own dictionary.
fn linked(reference: &mut Option<Reference>, dictionary: &str) {
    if let Some(reference) = reference
        && let Some(id) = reference.id
    {
        reference.href = Some(format!("{BASE}/appsec/v1/{dictionary}/{id}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_public_stays() {
        let scrubber = Scrubber::new("7");
        for text in ["java.lang.Runtime.exec", "org.slf4j.Logger.debug"] {
            assert_eq!(scrubber.function(text), text);
        }
        let page = "https://cwe.mitre.org/data/definitions/78.html";
        assert_eq!(scrubber.url(page), page);
        assert_eq!(
            scrubber.prose(&format!("See <a href=\"{page}\">CWE</a>."), &[]),
            format!("See <a href=\"{page}\">CWE</a>.")
        );
    }

    #[test]
    fn what_is_somebodys_goes_and_keeps_its_shape() {
        let scrubber = Scrubber::new("7");
        let path = scrubber.words("com/acme/billing/InvoiceJob.java");
        assert!(path.starts_with("com/w") && path.ends_with(".java"), "{path}");
        assert_eq!(path.matches('/').count(), 3);
        let url = scrubber.url("https://user:pw@shop.acme.test:8443/cart/view?item=7");
        assert!(url.starts_with("https://host-") && url.contains(".example.com:8443/w"), "{url}");
        assert!(url.ends_with("=7"), "{url}");
        let said =
            scrubber.prose("Ask jo@acme.test, or open http://wiki.acme.test/x from 10.1.2.3", &[]);
        assert!(!said.contains("acme") && !said.contains("10.1.2.3"), "{said}");
        assert_ne!(Scrubber::new("8").words("acme"), scrubber.words("acme"));
    }

    proptest! {
        /// No word of a name that is not plain survives, whatever it is made of.
        #[test]
        fn no_word_survives(words in prop::collection::vec("[a-z]{4,12}Q[a-z]{2}", 1..6)) {
            let scrubber = Scrubber::new("seed");
            let path = words.join("/");
            for scrubbed in [scrubber.words(&path), scrubber.url(&format!("http://{path}"))] {
                for word in &words {
                    prop_assert!(!scrubbed.contains(word.as_str()), "{}", scrubbed);
                }
            }
        }
    }
}
