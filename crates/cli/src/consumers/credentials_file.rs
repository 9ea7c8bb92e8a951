use countersign_connector::consumers::{Form as Consumed, Release};
use countersign_vault::Secret;
use zeroize::Zeroizing;

use countersign_connector::keyfiles::{Form, Written};

/// A file that other tools read their pair from, and that may hold more than that. It
/// has the release when the tools would read it there.
pub(super) struct CredentialsFile {
    form: Form,
    profile: String,
}

impl CredentialsFile {
    /// Refuses a profile that the form cannot have.
    pub(super) fn new(form: Form, profile: &str) -> Result<Self, String> {
        form.check_profile(profile)?;
        Ok(Self { form, profile: profile.to_owned() })
    }
}

impl Consumed for CredentialsFile {
    fn kind(&self) -> &'static str {
        "credentials_file"
    }

    fn write(&self, before: &str, release: &Release) -> Result<Zeroizing<String>, String> {
        match &release.secret {
            Secret::Pair(pair) => {
                self.form.write(before, &self.profile, &Written::of(pair, &release.url))
            }
            Secret::OAuthClient(_) => Err("no tool reads an OAuth client from there".into()),
        }
    }

    fn holds(&self, text: &str, release: &Release) -> bool {
        let Secret::Pair(pair) = &release.secret else { return false };
        self.form.holds(text, &self.profile, &Written::of(pair, &release.url))
    }
}
