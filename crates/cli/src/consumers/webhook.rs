use countersign_connector::consumers::{Answering, Consumer, Receipt, Release};
use countersign_findings::rfc3339;
use serde_json::{Value, json};

use crate::signed::{Hook, id};

/// Somebody who is told that there is a new version, and fetches it elsewhere. A 2xx
/// whose JSON object has the `version` acknowledges it.
pub(super) struct Webhook {
    pub(super) hook: Hook,
    pub(super) credential: String,
}

impl Webhook {
    async fn tell(&self, release: &Release) -> Result<Receipt, String> {
        let id = id(&format!("{}.{}.{}", release.name, release.version, release.secret.id()));
        let body = json!({
            "schema": 1,
            "event": "credential.published",
            "id": id,
            "name": release.name,
            "version": release.version,
            "api_id": release.secret.id(),
            "expires_at": release.expires_ms.map(rfc3339),
        });
        let answer = self.hook.post(&id, &body).await?;
        let said: Option<Value> = serde_json::from_slice(&answer).ok();
        match said.as_ref().and_then(|said| said.get("version")) {
            Some(version) if *version == release.version => Ok(Receipt::Acknowledged),
            Some(Value::Number(version)) => Ok(Receipt::Delivered(Some(format!(
                "it reports that it runs version {version}, not {}",
                release.version
            )))),
            _ => Ok(Receipt::Delivered(None)),
        }
    }
}

impl Consumer for Webhook {
    fn name(&self) -> &str {
        self.hook.name()
    }

    fn credential(&self) -> &str {
        &self.credential
    }

    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn deliver<'s>(&'s self, release: &'s Release) -> Answering<'s, Result<Receipt, String>> {
        Box::pin(self.tell(release))
    }
}
