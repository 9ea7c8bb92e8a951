//! What is asked for one finding alone: how data reaches a flaw.

use countersign_client::Client;
use countersign_findings::{DataPath, Finding, FindingKey, ScanType};

use crate::Connector;
use crate::error::{Error, Fault};

impl Connector {
    /// Asks the service for the data paths of a static finding and keeps the answer.
    ///
    /// The request names no sandbox, even for a finding of one: with a context the
    /// service has no answer, and a flaw has the same number everywhere.
    pub async fn fetch_paths(
        &self,
        finding: &Finding,
        client: &Client,
    ) -> Result<Vec<DataPath>, Error> {
        let target = target(finding)?;
        let response = client.get(&target).await.map_err(|error| match error.is_gone() {
            true => Error::new(Fault::Config, "the service has no data path for this finding")
                .hint("it may be fixed meanwhile: countersign sync"),
            false => error.into(),
        })?;
        let unreadable = |what: &dyn std::fmt::Display| {
            Error::new(
                Fault::Incomplete,
                format!("the answer about data paths cannot be read: {what}"),
            )
        };
        let raw = std::str::from_utf8(&response.body).map_err(|error| unreadable(&error))?;
        let paths = DataPath::decode(raw).map_err(|error| unreadable(&error))?;
        self.store.keep_paths(finding.id.as_str(), raw, self.now()).await?;
        Ok(paths)
    }
}

fn target(finding: &Finding) -> Result<String, Error> {
    match (&finding.scan_type, &finding.key) {
        (ScanType::Static, FindingKey::Flaw(issue)) => Ok(format!(
            "/appsec/v2/applications/{}/findings/{issue}/static_flaw_info",
            finding.application
        )),
        (other, _) => Err(Error::new(
            Fault::Config,
            format!("findings of the type {} have no data path", other.as_str()),
        )
        .hint("only static findings have one")),
    }
}
