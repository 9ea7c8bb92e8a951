//! `credentials list`, and where a pair is imported from.

use std::path::PathBuf;

use serde_json::json;
use zeroize::Zeroizing;

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

/// A pair from the environment, else from the credentials file.
pub(crate) fn import() -> Result<(String, Zeroizing<String>), Failure> {
    for (id, secret) in [
        ("VERACODE_API_KEY_ID", "VERACODE_API_KEY_SECRET"),
        ("VERACODE_API_ID", "VERACODE_API_KEY"),
    ] {
        if let (Ok(id), Ok(secret)) = (std::env::var(id), std::env::var(secret)) {
            return Ok((id, Zeroizing::new(secret)));
        }
    }
    let profile = std::env::var("VERACODE_API_PROFILE").unwrap_or_else(|_| "default".into());
    let path = credentials_file()?;
    let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(|error| {
        Failure::usage(format!(
            "there is no pair in the environment, and `{}` cannot be read: {error}",
            path.display()
        ))
    })?);
    read_profile(&text, &profile).ok_or_else(|| {
        Failure::usage(format!(
            "`{}` has no section `[{profile}]` with veracode_api_key_id and veracode_api_key_secret",
            path.display()
        ))
    })
}

fn credentials_file() -> Result<PathBuf, Failure> {
    let home = etcetera::home_dir().map_err(Failure::usage)?;
    Ok(home.join(".veracode").join("credentials"))
}

/// Section names keep their case, key names do not matter in theirs.
fn read_profile(text: &str, profile: &str) -> Option<(String, Zeroizing<String>)> {
    let (mut id, mut secret, mut is_inside) = (None, None, false);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_inside = section == profile;
        } else if is_inside && let Some((name, value)) = line.split_once('=') {
            match name.trim().to_ascii_lowercase().as_str() {
                "veracode_api_key_id" => id = Some(value.trim().to_owned()),
                "veracode_api_key_secret" => secret = Some(Zeroizing::new(value.trim().to_owned())),
                _ => {}
            }
        }
    }
    id.zip(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles() {
        let text = "[Default]\nveracode_api_key_id=no\n[default]\n Veracode_API_key_ID = a1\nveracode_api_key_secret=b2\n[other]\nveracode_api_key_id = c3\n";
        let (id, secret) = read_profile(text, "default").unwrap();
        assert_eq!((id.as_str(), secret.as_str()), ("a1", "b2"));
        assert!(read_profile(text, "other").is_none(), "half a pair is none");
        assert!(read_profile(text, "absent").is_none());
    }
}
