//! All that can be asked, as one table: routes, permissions, metrics, capabilities and the
//! OpenAPI document are made from it.

use axum::http::Method;
use axum::routing::MethodFilter;
use countersign_store::{PermissionSet, TokenKind};

/// What kind of token an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// None is needed.
    Everybody,
    /// One of an integration: its findings.
    Integration,
    /// One for the tools of assistants.
    Assistant,
    /// One of the organisation, which may do this.
    Management(Need),
}

/// What a token of the organisation has to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To look.
    View,
    /// To add accounts.
    AddAccounts,
    /// To change and remove accounts.
    Accounts,
    /// To add, change and remove integrations.
    Integrations,
    /// To give, change and remove credentials.
    Credentials,
    /// To make tokens of integrations.
    IntegrationTokens,
    /// To look at, renew and revoke tokens.
    Tokens,
    /// To make tokens of the organisation.
    OrganizationTokens,
}

impl Need {
    /// All of them.
    pub(crate) const ALL: &'static [Self] = &[
        Self::View,
        Self::AddAccounts,
        Self::Accounts,
        Self::Integrations,
        Self::Credentials,
        Self::IntegrationTokens,
        Self::Tokens,
        Self::OrganizationTokens,
    ];

    /// Whether these permissions are enough.
    pub fn is_met(self, by: PermissionSet) -> bool {
        use PermissionSet as Set;
        match by {
            Set::Administrator => true,
            Set::Viewer => self == Self::View,
            Set::Member => self != Self::OrganizationTokens,
            Set::AccountManager => !matches!(self, Self::AddAccounts | Self::OrganizationTokens),
            Set::ConnectUi => {
                matches!(self, Self::View | Self::Integrations | Self::Credentials)
            }
            Set::TokenIssuer => matches!(self, Self::View | Self::IntegrationTokens),
            Set::AccountProvisioner => matches!(self, Self::View | Self::AddAccounts),
            Set::McpIntegrationsUseOnly | Set::McpManagement | Set::Integration => false,
        }
    }
}

impl Audience {
    /// The kind of token that it takes; none where it takes none.
    pub(crate) fn kind(self) -> Option<TokenKind> {
        match self {
            Self::Everybody => None,
            Self::Integration => Some(TokenKind::Integration),
            Self::Assistant => Some(TokenKind::Assistant),
            Self::Management(_) => Some(TokenKind::Organization),
        }
    }
}

/// How an operation is asked for.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Its name in tokens, metrics, capabilities and the OpenAPI document.
    pub id: &'static str,
    /// The method.
    pub method: Verb,
    /// The path, with `{names}` of its parts.
    pub path: &'static str,
    /// Who may ask.
    pub audience: Audience,
    /// What it does, in one sentence without an end.
    pub summary: &'static str,
}

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// To read.
    Get,
    /// To add.
    Post,
    /// To replace.
    Put,
    /// To change a part.
    Patch,
    /// To remove.
    Delete,
}

impl Verb {
    /// For the router.
    pub(crate) fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }

    /// As it is sent.
    pub fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }
}

macro_rules! operations {
    ($($name:ident: $id:literal $verb:ident $path:literal $audience:expr, $summary:literal;)+) => {
        /// Something that can be asked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation {
            $(
                #[doc = $summary]
                $name,
            )+
        }

        impl Operation {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// How it is asked for.
            pub const fn about(self) -> About {
                match self {
                    $(Self::$name => About {
                        id: $id,
                        method: Verb::$verb,
                        path: $path,
                        audience: $audience,
                        summary: $summary,
                    },)+
                }
            }
        }
    };
}

const READ: Audience = Audience::Integration;
const VIEW: Audience = Audience::Management(Need::View);
const ADD_ACCOUNTS: Audience = Audience::Management(Need::AddAccounts);
const ACCOUNTS: Audience = Audience::Management(Need::Accounts);
const INTEGRATIONS: Audience = Audience::Management(Need::Integrations);
const CREDENTIALS: Audience = Audience::Management(Need::Credentials);
const ISSUE: Audience = Audience::Management(Need::IntegrationTokens);
const TOKENS: Audience = Audience::Management(Need::Tokens);
const ORGANIZATION: Audience = Audience::Management(Need::OrganizationTokens);

operations! {
    QueryApplications: "appsec_query_applications" Get "/v1/app-sec/applications" READ,
        "The applications of the integration";
    QueryApplicationFindings: "appsec_query_application_findings" Get "/v1/app-sec/applications/{applicationId}/findings" READ,
        "The findings of one application";
    QueryFindings: "appsec_query_findings" Get "/v1/app-sec/findings" READ,
        "The findings of the integration";
    GetFindingDetails: "appsec_get_application_finding_details" Get "/v1/app-sec/applications/{applicationId}/findings/{findingId}" READ,
        "One finding of an application";
    QueryApplicationScans: "appsec_query_application_scans" Get "/v1/app-sec/applications/{applicationId}/scans" READ,
        "The scans of one application, as far as they are known";
    CreateFindings: "appsec_create_findings" Post "/v1/app-sec/findings/bulk" READ,
        "Imports findings of other scanners into an integration of the kind `imported`";

    AskTools: "mcp" Post "/mcp" Audience::Assistant, "The tools of assistants, which only read";

    CreateAccount: "create_account" Post "/v1/accounts" ADD_ACCOUNTS, "Adds an account";
    ListAccounts: "list_accounts" Get "/v1/accounts" VIEW, "The accounts";
    GetAccount: "get_account" Get "/v1/accounts/{accountId}" VIEW, "One account";
    UpdateAccount: "update_account" Put "/v1/accounts/{accountId}" ACCOUNTS, "Replaces what can be chosen of an account";
    PatchAccount: "patch_account" Patch "/v1/accounts/{accountId}" ACCOUNTS, "Changes an account";
    DeleteAccount: "delete_account" Delete "/v1/accounts/{accountId}" ACCOUNTS, "Removes an account without integrations and credentials";

    CreateCredential: "create_credential" Post "/v1/credentials/{ownerId}" CREDENTIALS, "Keeps a credential; its secret cannot be read again";
    ListCredentials: "list_credentials" Get "/v1/credentials/{ownerId}" VIEW, "The credentials of an account or integration, without their secrets";
    LookupCredential: "lookup_credential" Get "/v1/credentials/lookup/{credentialId}" VIEW, "One credential, by its id alone";
    GetCredential: "get_credential" Get "/v1/credentials/{ownerId}/{credentialId}" VIEW, "One credential, without its secret";
    UpdateCredential: "update_credential" Put "/v1/credentials/{ownerId}/{credentialId}" CREDENTIALS, "Replaces a credential";
    PatchCredential: "patch_credential" Patch "/v1/credentials/{ownerId}/{credentialId}" CREDENTIALS, "Changes a credential";
    DeleteCredential: "delete_credential" Delete "/v1/credentials/{ownerId}/{credentialId}" CREDENTIALS, "Removes a credential that nothing signs with";

    ListIntegrations: "list_integrations" Get "/v1/integrations" VIEW, "The integrations of all accounts that the token sees";
    CreateIntegration: "create_integration" Post "/v1/integrations/{accountId}" INTEGRATIONS, "Tries a credential and adds an integration";
    ListAccountIntegrations: "list_account_integrations" Get "/v1/integrations/{accountId}" VIEW, "The integrations of an account";
    VerifyIntegration: "verify_integration" Post "/v1/integrations/{accountId}/verify" INTEGRATIONS, "Tries a configuration and keeps nothing";
    GetIntegration: "get_integration" Get "/v1/integrations/{accountId}/{integrationId}" VIEW, "One integration";
    UpdateIntegration: "update_integration" Put "/v1/integrations/{accountId}/{integrationId}" INTEGRATIONS, "Tries what is different and replaces an integration";
    PatchIntegration: "patch_integration" Patch "/v1/integrations/{accountId}/{integrationId}" INTEGRATIONS, "Tries what is different and changes an integration";
    DeleteIntegration: "delete_integration" Delete "/v1/integrations/{accountId}/{integrationId}" INTEGRATIONS, "Removes an integration with everything stored for it";
    VerifyStoredIntegration: "verify_stored_integration" Post "/v1/integrations/{accountId}/{integrationId}/verify" INTEGRATIONS, "Tries an integration as it is, or as it is to be";

    CreateToken: "create_token" Post "/v1/tokens" ORGANIZATION, "Makes a token of the organisation";
    CreateMcpToken: "create_mcp_token" Post "/v1/tokens/mcp" ISSUE, "Makes a token for the tools of assistants, for 24 hours at most";
    CreateIntegrationToken: "create_integration_token" Post "/v1/tokens/{accountId}/{integrationId}" ISSUE, "Makes a token of an integration";
    ListTokens: "list_tokens" Get "/v1/tokens" TOKENS, "The tokens, without their secrets";
    GetToken: "get_token" Get "/v1/tokens/{tokenId}/info" TOKENS, "One token, without its secrets";
    RefreshToken: "refresh_token" Put "/v1/tokens/{tokenId}/refresh" TOKENS, "Issues new secrets of a token; the secrets before them stay valid for now";
    RotateToken: "rotate_token" Put "/v1/tokens/{ownerId}/{tokenId}/rotate" TOKENS, "The same, for a token of this owner";
    ResetToken: "reset_token" Put "/v1/tokens/{ownerId}/{tokenId}/reset" TOKENS, "Issues new secrets of a token and revokes all others";
    RemoveSecondaryToken: "remove_secondary_token" Delete "/v1/tokens/{tokenId}/secondary" TOKENS, "Revokes the secrets before the newest";
    DeleteToken: "delete_token" Delete "/v1/tokens/{tokenId}" TOKENS, "Revokes a token";

    ListStatus: "list_status" Get "/v1/status" VIEW, "What was asked of each integration";
    GetStatus: "get_status" Get "/v1/status/{accountId}/{integrationId}" VIEW, "What was asked of an integration";
    ResetStatus: "reset_status" Put "/v1/status/{accountId}/{integrationId}" INTEGRATIONS, "Begins to count anew";
    ListStatusEvents: "list_status_events" Get "/v1/status/{accountId}/{integrationId}/events" VIEW, "The last requests of an integration that failed";
    ListStatusTimeseries: "list_status_timeseries" Get "/v1/status/timeseries" VIEW, "What was asked of all integrations, by the hour";
    GetStatusTimeseries: "get_status_timeseries" Get "/v1/status/{accountId}/{integrationId}/timeseries" VIEW, "What was asked of an integration, by the hour";

    ListConnectors: "list_connectors" Get "/v1/capabilities/connectors" VIEW, "The connectors";
    ListProviders: "list_providers" Get "/v1/capabilities/providers" VIEW, "The providers, with what can be asked of each";
    GetProvider: "get_provider" Get "/v1/capabilities/providers/{providerId}" VIEW, "One provider, with what can be asked of it";
    GetManagementSchema: "get_management_openapi" Get "/v1/meta/openapi/management" VIEW, "The OpenAPI document of the management";
    GetEngineSchema: "get_engine_openapi" Get "/v1/meta/openapi/engine" Audience::Everybody, "The OpenAPI document of the reads";
    GetVersion: "get_version" Get "/v1/version" Audience::Everybody, "The version of this program";
}

impl Operation {
    /// Its name.
    pub const fn id(self) -> &'static str {
        self.about().id
    }

    /// That of this name.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.id() == id)
    }

    /// Whether it is one of an integration.
    pub fn is_reading(self) -> bool {
        self.about().audience == Audience::Integration
    }

    /// Its path for the router, whose parts have no names: two paths of one shape may name
    /// them differently.
    pub(crate) fn route(self) -> String {
        let parts = self.about().path.split('/').enumerate().map(|(at, part)| {
            if part.starts_with('{') { format!("{{p{at}}}") } else { part.to_owned() }
        });
        parts.collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_path_is_of_version_1() {
        let ids: BTreeSet<_> = Operation::ALL.iter().map(|one| one.id()).collect();
        assert_eq!(ids.len(), Operation::ALL.len());
        let routes: BTreeSet<_> = Operation::ALL
            .iter()
            .map(|one| (one.route(), one.about().method.method().to_string()))
            .collect();
        assert_eq!(routes.len(), Operation::ALL.len());
        for operation in Operation::ALL {
            let is_versioned = operation.about().path.starts_with("/v1/");
            assert!(is_versioned || *operation == Operation::AskTools, "{operation:?}");
            assert!(!operation.about().summary.ends_with('.'), "{operation:?}");
            assert_eq!(Operation::of(operation.id()), Some(*operation));
        }
    }

    #[test]
    fn only_an_administrator_makes_tokens_of_the_organisation_and_a_viewer_only_looks() {
        for set in PermissionSet::ALL {
            let may = |need: Need| need.is_met(*set);
            assert_eq!(may(Need::OrganizationTokens), *set == PermissionSet::Administrator);
            if *set == PermissionSet::Viewer {
                assert!(may(Need::View) && !may(Need::Tokens) && !may(Need::Integrations));
            }
        }
        for set in [
            PermissionSet::Integration,
            PermissionSet::McpIntegrationsUseOnly,
            PermissionSet::McpManagement,
        ] {
            assert!(!Need::View.is_met(set), "{set:?}");
        }
    }
}
