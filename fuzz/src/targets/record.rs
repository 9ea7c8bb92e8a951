//! Records as the service sends them: findings, applications, paths of data.

use countersign_findings::{Application, ApplicationGuid, Context, DataPath, Finding};

/// What is decoded has words for everybody, and stays itself.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let guid = ApplicationGuid::parse("7c1b0a52-0000-4000-8000-000000000001").expect("a guid");
    if let Ok(finding) = Finding::decode(text, &guid, &Context::Policy) {
        assert!(finding.id.as_str().len() >= 10);
        let written = serde_json::to_string(&finding).expect("a finding is JSON");
        assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok());
        let again = Finding::decode(text, &guid, &Context::Policy).expect("it was one");
        assert_eq!(again.id, finding.id);
    }
    let _ = (Application::decode(text), DataPath::decode(text));
}
