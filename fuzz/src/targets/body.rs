//! Every body of the wire, both ways: what was read is written and read again.

use countersign_wire::error::ErrorBody;
use countersign_wire::hal::parse_truth;
use countersign_wire::raw::RawPage;
use countersign_wire::{
    annotation, application, credential, error, finding, flaw, hal, identity, policy, sandbox,
    summary, weakness,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn both_ways<T: Serialize + DeserializeOwned>(data: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(data) else { return };
    let written = serde_json::to_string(&read).expect("a body is JSON");
    let again: T =
        serde_json::from_str(&written).unwrap_or_else(|error| panic!("{error} in {written}"));
    assert_eq!(serde_json::to_string(&again).expect("a body is JSON"), written);
}

pub(crate) fn run(data: &[u8]) {
    both_ways::<annotation::AnnotatedComponent>(data);
    both_ways::<annotation::AnnotationInput>(data);
    both_ways::<annotation::ComponentAnnotationInput>(data);
    both_ways::<application::Application>(data);
    both_ways::<application::ApplicationInput>(data);
    both_ways::<application::ApplicationLinks>(data);
    both_ways::<application::BusinessOwner>(data);
    both_ways::<application::BusinessUnitRef>(data);
    both_ways::<application::CustomField>(data);
    both_ways::<application::PolicyRef>(data);
    both_ways::<application::Profile>(data);
    both_ways::<application::Scan>(data);
    both_ways::<application::Settings>(data);
    both_ways::<application::TeamRef>(data);
    both_ways::<credential::ApiCredential>(data);
    both_ways::<credential::SelfLink>(data);
    both_ways::<error::ApiError>(data);
    both_ways::<error::ApiErrors>(data);
    both_ways::<error::EmbeddedErrors>(data);
    both_ways::<error::ErrorSource>(data);
    both_ways::<error::FlawError>(data);
    both_ways::<error::GatewayError>(data);
    both_ways::<error::ValidationErrors>(data);
    both_ways::<finding::Annotation>(data);
    both_ways::<finding::ComponentPath>(data);
    both_ways::<finding::Cve>(data);
    both_ways::<finding::Cvss3>(data);
    both_ways::<finding::DynamicDetails>(data);
    both_ways::<finding::Exploitability>(data);
    both_ways::<finding::FindingStatus>(data);
    both_ways::<finding::License>(data);
    both_ways::<finding::ManualDetails>(data);
    both_ways::<finding::Reference>(data);
    both_ways::<finding::ScaDetails>(data);
    both_ways::<finding::ScaMetadata>(data);
    both_ways::<finding::StaticDetails>(data);
    both_ways::<flaw::AttackVector>(data);
    both_ways::<flaw::Call>(data);
    both_ways::<flaw::DataPath>(data);
    both_ways::<flaw::DynamicFlawInfo>(data);
    both_ways::<flaw::DynamicIssue>(data);
    both_ways::<flaw::Exchange>(data);
    both_ways::<flaw::SentRequest>(data);
    both_ways::<flaw::SentResponse>(data);
    both_ways::<flaw::StaticFlawInfo>(data);
    both_ways::<flaw::StaticIssue>(data);
    both_ways::<hal::Link>(data);
    both_ways::<hal::Links>(data);
    both_ways::<hal::Page>(data);
    both_ways::<identity::BusinessUnit>(data);
    both_ways::<identity::BusinessUnitInput>(data);
    both_ways::<identity::BusinessUnitName>(data);
    both_ways::<identity::Membership>(data);
    both_ways::<identity::Organization>(data);
    both_ways::<identity::Permission>(data);
    both_ways::<identity::PermissionRef>(data);
    both_ways::<identity::Role>(data);
    both_ways::<identity::RoleInput>(data);
    both_ways::<identity::RoleRef>(data);
    both_ways::<identity::Team>(data);
    both_ways::<identity::TeamInput>(data);
    both_ways::<identity::TeamMember>(data);
    both_ways::<identity::User>(data);
    both_ways::<identity::UserInput>(data);
    both_ways::<policy::CustomSeverity>(data);
    both_ways::<policy::FindingRule>(data);
    both_ways::<policy::Policy>(data);
    both_ways::<policy::ScanFrequencyRule>(data);
    both_ways::<sandbox::Sandbox>(data);
    both_ways::<sandbox::SandboxInput>(data);
    both_ways::<summary::Analysis>(data);
    both_ways::<summary::CategoryCount>(data);
    both_ways::<summary::Components>(data);
    both_ways::<summary::CustomFields>(data);
    both_ways::<summary::FlawStatus>(data);
    both_ways::<summary::Module>(data);
    both_ways::<summary::Modules>(data);
    both_ways::<summary::SeverityLevel>(data);
    both_ways::<summary::SummaryReport>(data);
    both_ways::<weakness::Category>(data);
    both_ways::<weakness::CustomFieldName>(data);
    both_ways::<weakness::Cwe>(data);
    both_ways::<weakness::Reference>(data);
    let said = ErrorBody::parse(data);
    assert!(said.message.chars().count() < 4_000);
    let Ok(text) = str::from_utf8(data) else { return };
    parse_truth(text);
    for list in ["applications", "findings", "sandboxes"] {
        let _ = RawPage::parse(text, list);
    }
    if let Ok(one) = finding::Finding::parse(text) {
        let written = serde_json::to_string(&one).expect("a finding is JSON");
        let again = finding::Finding::parse(&written)
            .unwrap_or_else(|error| panic!("{error} in {written}"));
        assert_eq!(serde_json::to_string(&again).expect("a finding is JSON"), written);
    }
}
