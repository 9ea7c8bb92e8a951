//! `api token add|list|revoke` and `api account add|list`.

use std::path::Path;

use countersign_api::{Operation, Secret, is_name, new_uid};
use countersign_findings::rfc3339;
use countersign_store::{
    Account, AccountForm, ApiToken, Environment, NewSecrets, NewToken, OwnedIntegration,
    PermissionSet, Store, TokenKind, TokenScope,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::context::open_store;
use super::proxy::{begin, end};
use crate::args::{
    AddApiAccount, AddApiToken, ApiAccountCommand, ApiCommand, ApiTokenCommand, Json,
    RevokeApiToken,
};
use crate::failure::Failure;
use crate::home::Home;
use crate::lists::print_list;
use crate::output::{Cell, Fit, ago, distance, note, print, print_json, printable, when};
use crate::system;

/// Who the audit log says did it.
const BY: &str = "command line";
const MOST_MS: i64 = 365 * 86_400_000;

pub(crate) async fn run(home: Option<&Path>, command: ApiCommand) -> Result<(), Failure> {
    // Tokens need no vault, and so no passphrase.
    let store = open_store(&Home::find(home)?).await?;
    match command {
        ApiCommand::Token(ApiTokenCommand::Add(args)) => add(&store, args).await,
        ApiCommand::Token(ApiTokenCommand::List(args)) => list(&store, args).await,
        ApiCommand::Token(ApiTokenCommand::Revoke(args)) => revoke(&store, args).await,
        ApiCommand::Account(ApiAccountCommand::Add(args)) => add_account(&store, args).await,
        ApiCommand::Account(ApiAccountCommand::List(args)) => accounts(&store, args).await,
    }
}

async fn add(store: &Store, args: AddApiToken) -> Result<(), Failure> {
    check_name(&args.name)?;
    if store.tokens(None).await?.iter().any(|one| one.name == args.name) {
        return Err(Failure::usage(format!(
            "there is already a token `{}`\nhint: choose another name, or revoke it first",
            args.name
        )));
    }
    let Some(ttl_ms) = args.expires.0.filter(|ms| *ms <= MOST_MS) else {
        return Err(Failure::usage("a token expires within 365d\nhint: `--expires 30d`"));
    };
    let scope = scope(store, &args).await?;
    let draft = args.output.as_deref().map(begin).transpose()?;
    let (now_ms, random) = ((system::clock())(), system::random());
    let secret = Secret::generate(&random);
    let expires_ms = now_ms.saturating_add(ttl_ms);
    let access = secret.digest().bytes();
    let new = NewToken {
        uid: new_uid(&random),
        name: args.name.clone(),
        fullname: args.name.clone(),
        scope,
        ttl_ms,
        secrets: NewSecrets { access, access_expires_ms: expires_ms, refresh: None },
    };
    let token = store.add_token(new, BY, now_ms).await?;
    let line = Zeroizing::new(format!("{}\n", secret.expose()));
    let written = match (draft, &args.output) {
        (Some(draft), Some(path)) => end(draft, path, &line),
        _ if args.json => print_json(&json!({
            "id": token.uid,
            "name": token.name,
            "token": secret.expose(),
            "expires_at": rfc3339(expires_ms),
        })),
        _ => print(&line),
    };
    if written.is_err() {
        // Nobody has it.
        store.revoke_token(token.id, BY, now_ms).await?;
    }
    written?;
    note(&format!("`{}` expires {}", token.name, when(expires_ms)));
    Ok(())
}

async fn scope(store: &Store, args: &AddApiToken) -> Result<TokenScope, Failure> {
    if let Some(name) = &args.integration {
        let integration = integration(store, name).await?;
        let unknown =
            args.operations.iter().find(|id| !Operation::of(id).is_some_and(Operation::is_reading));
        if let Some(id) = unknown {
            let known = Operation::ALL.iter().filter(|one| one.is_reading()).map(|one| one.id());
            return Err(Failure::usage(format!(
                "there is no operation `{}`\nhint: name some of {}",
                printable(id),
                known.collect::<Vec<_>>().join(", ")
            )));
        }
        return Ok(TokenScope {
            kind: TokenKind::Integration,
            permission_set: PermissionSet::Integration,
            account: Some(integration.known.account),
            integration: Some(integration.id),
            operations: (!args.operations.is_empty()).then(|| args.operations.clone()),
        });
    }
    let wanted = args.permission_set.as_deref().unwrap_or_default();
    let sets =
        || PermissionSet::ALL.iter().copied().filter(|set| set.kind() != TokenKind::Integration);
    let set = sets().find(|set| set.as_str() == wanted).ok_or_else(|| {
        let names: Vec<_> = sets().map(PermissionSet::as_str).collect();
        Failure::usage(format!(
            "there is no permission set `{}`\nhint: name one of {}",
            printable(wanted),
            names.join(", ")
        ))
    })?;
    let account = match &args.account {
        Some(name) => Some(account(store, name).await?.id),
        None => None,
    };
    let kind = set.kind();
    Ok(TokenScope { kind, permission_set: set, account, integration: None, operations: None })
}

async fn integration(store: &Store, name: &str) -> Result<OwnedIntegration, Failure> {
    let all = store.owned_integrations(None).await?;
    all.into_iter().find(|one| one.name == name || one.known.uid == name).ok_or_else(|| {
        Failure::usage(format!(
            "there is no integration `{}`\nhint: `countersign integration list` lists them",
            printable(name)
        ))
    })
}

async fn account(store: &Store, name: &str) -> Result<Account, Failure> {
    let all = store.accounts().await?;
    all.into_iter().find(|one| one.form.name == name || one.uid == name).ok_or_else(|| {
        Failure::usage(format!(
            "there is no account `{}`\nhint: `countersign api account list` lists them",
            printable(name)
        ))
    })
}

fn check_name(name: &str) -> Result<(), Failure> {
    match is_name(name) {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "`{}` is not a name\nhint: up to 64 lower-case letters, digits, `_` and `-`",
            printable(name)
        ))),
    }
}

async fn list(store: &Store, args: Json) -> Result<(), Failure> {
    let all = store.tokens(None).await?;
    let now_ms = (system::clock())();
    if args.json {
        return print_json(&all.iter().map(token_json).collect::<Vec<_>>());
    }
    if all.is_empty() {
        note(
            "there is no token yet; `countersign api token add admin --permission-set administrator` creates one",
        );
        return Ok(());
    }
    let row = |one: &ApiToken| {
        [
            Cell::text(&one.name),
            Cell::text(one.scope.kind.as_str()),
            Cell::text(one.scope.permission_set.as_str()),
            match ends(one) {
                Some(ms) => Cell::moment(Some(ms)).shown_as(&distance(ms, now_ms)),
                None => Cell::text("").shown_as("ended"),
            },
            ago(last_use(one), now_ms),
        ]
    };
    let columns = [
        ("name", Fit::End),
        ("kind", Fit::Whole),
        ("permissions", Fit::End),
        ("expires", Fit::Whole),
        ("last_used", Fit::Whole),
    ];
    print_list(columns, all.iter().map(row))
}

/// When the last secret to ask with ends.
fn ends(token: &ApiToken) -> Option<i64> {
    let access = token.secrets.iter().filter(|(place, ..)| place.is_access());
    access.map(|(_, until_ms, _)| *until_ms).max()
}

fn last_use(token: &ApiToken) -> Option<i64> {
    token.secrets.iter().filter_map(|(.., used_ms)| *used_ms).max()
}

fn token_json(token: &ApiToken) -> Value {
    json!({
        "id": token.uid,
        "name": token.name,
        "kind": token.scope.kind.as_str(),
        "permission_set": token.scope.permission_set.as_str(),
        "account_id": token.account_uid,
        "integration_id": token.integration_uid,
        "operations": token.scope.operations,
        "created_at": rfc3339(token.created_ms),
        "expires_at": ends(token).map(rfc3339),
        "last_used_at": last_use(token).map(rfc3339),
    })
}

async fn revoke(store: &Store, args: RevokeApiToken) -> Result<(), Failure> {
    let all = store.tokens(None).await?;
    let mut found: Vec<_> =
        all.iter().filter(|one| one.name == args.name || one.uid == args.name).collect();
    match (found.pop(), found.is_empty()) {
        (Some(token), true) => {
            store.revoke_token(token.id, BY, (system::clock())()).await?;
            note(&format!("revoked the token `{}`", printable(&token.name)));
            Ok(())
        }
        (Some(_), false) => Err(Failure::usage(format!(
            "there are several tokens `{}`\nhint: `countersign api token list --json` shows their ids",
            printable(&args.name)
        ))),
        (None, _) => Err(Failure::usage(format!(
            "there is no token `{}`\nhint: `countersign api token list` lists them",
            printable(&args.name)
        ))),
    }
}

async fn add_account(store: &Store, args: AddApiAccount) -> Result<(), Failure> {
    check_name(&args.name)?;
    let (now_ms, random) = ((system::clock())(), system::random());
    let form = AccountForm {
        name: args.name.clone(),
        fullname: args.name,
        environment: Environment::Prod,
        labels: Vec::new(),
    };
    let added = store.add_account(&new_uid(&random), form, BY, now_ms).await;
    let account = added
        .map_err(|error| if error.is_existing() { Failure::usage(error) } else { error.into() })?;
    if args.json {
        return print_json(&account_json(&account));
    }
    note(&format!("added the account `{}`", account.form.name));
    Ok(())
}

async fn accounts(store: &Store, args: Json) -> Result<(), Failure> {
    let all = store.accounts().await?;
    if args.json {
        return print_json(&all.iter().map(account_json).collect::<Vec<_>>());
    }
    let row = |one: &Account| {
        [
            Cell::text(&one.form.name),
            Cell::text(&one.form.fullname),
            Cell::text(one.form.environment.as_str()),
            Cell::text(&one.uid),
        ]
    };
    let columns = [
        ("name", Fit::End),
        ("fullname", Fit::End),
        ("environment", Fit::Whole),
        ("id", Fit::Whole),
    ];
    print_list(columns, all.iter().map(row))
}

fn account_json(account: &Account) -> Value {
    json!({
        "id": account.uid,
        "name": account.form.name,
        "fullname": account.form.fullname,
        "environment": account.form.environment.as_str(),
        "labels": account.form.labels,
        "created_at": rfc3339(account.created_ms),
    })
}
