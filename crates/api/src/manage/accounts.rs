//! Accounts: whose the integrations are.

use axum::extract::{Path, RawQuery, State};
use countersign_store::{Account, AccountForm, AccountId, Environment, PermissionSet};
use serde_json::{Value, json};

use super::body::{Body, Object};
use super::list::{self, Asked, List};
use super::tokens::{self, Wanted};
use super::{Answer, ORGANIZATION, account, answer, time};
use crate::caller::Caller;
use crate::inner::Inner;
use crate::problem::Problem;

const MOST_LABELS: usize = 64;
const LABEL_CHARS: usize = 48;
/// What of an account its owner cannot choose.
const FIXED: [&str; 2] = ["id", "organization_id"];
const DATES: [&str; 2] = ["created_at", "updated_at"];
pub(super) const ASKED: Asked = Asked {
    fields: &["id", "name", "fullname", "environment", "labels", "created_at", "updated_at"],
    expand: &[],
    total: true,
};

pub(super) async fn create(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    if caller.account().is_some() {
        return Err(Problem::forbidden("this token is limited to one account"));
    }
    let uid = inner.new_uid();
    let mut object = Object::of_any(body)?;
    let wanted = object.object("token")?.map(|token| wanted_token(token, &inner)).transpose()?;
    if let Some(wanted) = &wanted {
        tokens::must_be_grantable(&caller, &wanted.scope)?;
    }
    let form = form(object, &uid)?;
    let added = inner.store.add_account(&uid, form, caller.name(), inner.now()).await;
    let account = added.map_err(clash)?;
    let mut result = json!({ "account": shown(&account) });
    if let Some(mut wanted) = wanted {
        wanted.scope.account = Some(account.id);
        result["token"] = tokens::make(&inner, &caller, wanted).await?;
    }
    answer(result)
}

fn wanted_token(mut object: Object, inner: &Inner) -> Result<Wanted, Problem> {
    let sets =
        [PermissionSet::AccountManager, PermissionSet::ConnectUi, PermissionSet::TokenIssuer];
    let set = object.word("permission_set", &sets, PermissionSet::as_str)?;
    let set = set.ok_or_else(|| object.wrong("permission_set", "this is needed"))?;
    let wanted = Wanted::organization(inner, &mut object, set, None)?;
    object.end()?;
    Ok(wanted)
}

pub(super) async fn list(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
) -> Answer {
    let list = List::of(query.as_deref(), &ASKED)?;
    let all = inner.store.accounts().await?;
    list.answer(all.iter().filter(|one| caller.sees(one.id)).map(shown).collect())
}

pub(super) async fn get(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(uid): Path<String>,
) -> Answer {
    list::none(query.as_deref())?;
    answer(shown(&account(&inner, &caller, &uid).await?))
}

pub(super) async fn update(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(uid): Path<String>,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let account = account(&inner, &caller, &uid).await?;
    replace(&inner, &caller, &account, body).await
}

pub(super) async fn patch(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(uid): Path<String>,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let account = account(&inner, &caller, &uid).await?;
    let whole = super::patch::apply(shown(&account), body)?;
    replace(&inner, &caller, &account, whole).await
}

async fn replace(inner: &Inner, caller: &Caller, account: &Account, whole: Value) -> Answer {
    let mut object = Object::of(whole, "")?;
    object.keep(&shown(account), &FIXED)?;
    object.ignore(&DATES);
    let form = form(object, &account.uid)?;
    // Whether another account has a name is not for everybody to find out.
    if caller.account().is_some() && form.name != account.form.name {
        let message = "only a token that sees all accounts changes the name of one";
        return Err(Problem::body("/name", message));
    }
    let updated = inner.store.update_account(account.id, form, caller.name(), inner.now()).await;
    answer(shown(&updated.map_err(clash)?))
}

pub(super) async fn delete(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(uid): Path<String>,
) -> Answer {
    list::none(query.as_deref())?;
    let account = account(&inner, &caller, &uid).await?;
    let removed = inner.store.remove_account(account.id, caller.name(), inner.now()).await;
    removed.map_err(|error| match error.is_in_use() {
        true if account.id == AccountId::OWN => {
            Problem::bad_request("this account belongs to the program itself")
        }
        true => Problem::bad_request("the account has integrations or credentials")
            .with_remediation("remove them first"),
        false => error.into(),
    })?;
    answer(Value::Null)
}

fn form(mut object: Object, uid: &str) -> Result<AccountForm, Problem> {
    let (name, fullname) = object.names(uid)?;
    let environment = object.word("environment", Environment::ALL, Environment::as_str)?;
    let labels = object.texts("labels")?.unwrap_or_default();
    let is_plain = |label: &String| {
        let is_plain = |c: char| c.is_alphanumeric() || "_-:.".contains(c);
        !label.is_empty() && label.chars().count() <= LABEL_CHARS && label.chars().all(is_plain)
    };
    if labels.len() > MOST_LABELS || !labels.iter().all(is_plain) {
        let message = format!(
            "up to {MOST_LABELS} labels of up to {LABEL_CHARS} letters, digits and `_-:.` are possible"
        );
        return Err(object.wrong("labels", message));
    }
    object.end()?;
    let environment = environment.unwrap_or(Environment::Prod);
    Ok(AccountForm { name, fullname, environment, labels })
}

fn clash(error: countersign_store::Error) -> Problem {
    match error.is_existing() {
        true => Problem::body("/name", "there is an account of this name already"),
        false if error.is_not_found() => Problem::not_found("account"),
        false => error.into(),
    }
}

/// As it is answered.
pub(super) fn shown(account: &Account) -> Value {
    json!({
        "id": account.uid,
        "name": account.form.name,
        "fullname": account.form.fullname,
        "organization_id": ORGANIZATION,
        "environment": account.form.environment.as_str(),
        "labels": account.form.labels,
        "created_at": time(account.created_ms),
        "updated_at": time(account.updated_ms),
    })
}
