//! `credentials list`.

use serde_json::json;

use super::context::Context;
use crate::args::Json;
use crate::failure::Failure;
use crate::output::{distance, note, print, print_json, table, table_text, when};

pub(crate) async fn list(context: &Context, args: Json) -> Result<(), Failure> {
    let entries = context.connector.vault.entries()?;
    let integrations = context.store().integrations().await?;
    let expires = |api_id: &str| {
        integrations.iter().find(|one| one.api_id == api_id).and_then(|one| one.expires_ms)
    };
    if args.json {
        let rows: Vec<_> = entries
            .iter()
            .map(|entry| {
                let expires_ms = expires(&entry.api_id);
                json!({
                    "name": entry.name,
                    "version": entry.version,
                    "api_id": entry.api_id,
                    "stored_at": countersign_findings::rfc3339(entry.created_ms),
                    "expires_at": expires_ms.map(countersign_findings::rfc3339),
                    "days_left": expires_ms.map(|ms| (ms - context.now()) / 86_400_000),
                    "destroyed": entry.is_tombstone,
                })
            })
            .collect();
        return print_json(&rows);
    }
    if entries.is_empty() {
        note("the vault holds no pair yet");
        return Ok(());
    }
    let mut table = table(&["name", "version", "api id", "stored", "expires"]);
    for entry in &entries {
        let expires = match (entry.is_tombstone, expires(&entry.api_id)) {
            (true, _) => "destroyed".to_owned(),
            (false, Some(ms)) => format!("{} ({})", when(ms), distance(ms, context.now())),
            (false, None) => "unknown".to_owned(),
        };
        table.add_row([
            entry.name.clone(),
            entry.version.to_string(),
            entry.api_id.clone(),
            when(entry.created_ms),
            expires,
        ]);
    }
    print(&table_text(&table))
}
