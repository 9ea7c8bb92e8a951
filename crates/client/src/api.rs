//! The calls, each a thin line over the one path.

use countersign_wire::application::Application;
use countersign_wire::credential::ApiCredential;
use countersign_wire::identity::User;

use crate::client::Client;
use crate::error::Error;
use crate::pages::Pages;

/// Findings come in two families that cannot be asked for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanFamily {
    /// Static, dynamic and manual.
    NonSca,
    /// Software composition analysis.
    Sca,
}

impl Client {
    /// The account behind the pair.
    pub async fn self_user(&self) -> Result<User, Error> {
        self.get("/api/authn/v2/users/self").await?.json()
    }

    /// The state of the pair that signs.
    pub async fn own_credential(&self) -> Result<ApiCredential, Error> {
        self.get("/api/authn/v2/api_credentials").await?.json()
    }

    /// All applications that the account sees.
    pub fn applications(&self, size: u32) -> Pages {
        Pages::new(self.clone(), "/appsec/v1/applications".into(), "applications", size)
    }

    /// One application.
    pub async fn application(&self, guid: &str) -> Result<Application, Error> {
        self.get(&format!("/appsec/v1/applications/{guid}")).await?.json()
    }

    /// The sandboxes of an application.
    pub fn sandboxes(&self, guid: &str, size: u32) -> Pages {
        let target = format!("/appsec/v1/applications/{guid}/sandboxes");
        Pages::new(self.clone(), target, "sandboxes", size)
    }

    /// The findings of one family in one context: a sandbox's guid, or none for
    /// the policy context. Annotations exist for the non-SCA family only.
    pub fn findings(
        &self,
        guid: &str,
        sandbox: Option<&str>,
        family: ScanFamily,
        size: u32,
    ) -> Pages {
        let context = sandbox.map(|guid| format!("context={guid}&")).unwrap_or_default();
        let family = match family {
            ScanFamily::NonSca => {
                "include_annot=true&include_exp_date=true&scan_type=STATIC,DYNAMIC,MANUAL"
            }
            ScanFamily::Sca => "include_exp_date=true&scan_type=SCA",
        };
        let target = format!("/appsec/v2/applications/{guid}/findings?{context}{family}");
        Pages::new(self.clone(), target, "findings", size)
    }
}
