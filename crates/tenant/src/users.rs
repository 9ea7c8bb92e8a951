//! Users: people and API accounts, with their roles and teams. What may be created and
//! changed, who is told, and which sessions end with it.

mod input;
mod overview;
mod row;
mod search;

use countersign_signin::{factor, password, recovery, session, throttle};
use countersign_wire::identity::UserInput;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::act::{By, Change, Noted, View};
use crate::manner::Manner;
use crate::roles::Permission;
use crate::settings::Settings;
use crate::{Error, Refused, guid_of, letters};

pub(crate) use input::{relationship, team_of};
pub use overview::{Login, Overview, OverviewFilter, overviews};
pub use search::{Filter, LoginStatus, list};

pub(crate) use row::user_by;

pub use crate::user::{API_USER, Team, User};

/// What legacy ids begin at.
pub const LEGACY: i64 = 40_000;

/// The user of this guid.
pub fn find(view: &View<'_>, user_id: &str) -> Result<User, Refused> {
    user_by(view.connection, "guid", &guid_of(user_id)?)?.ok_or(Refused::Missing("user"))
}

/// The user of this name.
pub fn named(view: &View<'_>, name: &str) -> Result<Option<User>, Error> {
    user_by(view.connection, "name", name)
}

/// The user of this row id.
pub fn of_id(view: &View<'_>, id: i64) -> Result<Option<User>, Error> {
    user_by(view.connection, "id", &id.to_string())
}

/// An API account of this guid: the secrets of a person are that person's alone.
pub fn api_account(view: &View<'_>, user_id: &str) -> Result<User, Refused> {
    let user = find(view, user_id)?;
    if user.is_api { Ok(user) } else { Err(Refused::Forbidden(OWN_ONLY)) }
}

pub const OWN_ONLY: &str = "the credentials of a user account are that user's alone";

/// How somebody signs in, for the page of a user.
pub struct SignIn {
    pub is_activated: bool,
    pub has_factor: bool,
    pub recovery_codes: usize,
    pub sessions: usize,
}

pub fn sign_in(view: &View<'_>, user: i64) -> Result<SignIn, Error> {
    let connection = view.connection;
    let limits = Settings::read(connection)?.sessions();
    Ok(SignIn {
        is_activated: password::is_set(connection, user)?,
        has_factor: factor::is_set(connection, user)?,
        recovery_codes: recovery::left(connection, user)?,
        sessions: session::of_person(connection, user, limits, view.now_ms)?.len(),
    })
}

/// Creates an account and sends the link that leads to its first password.
pub fn create(change: &Change<'_>, wanted: UserInput) -> Result<Noted<User>, Refused> {
    let mut user = input::created(change.transaction, wanted)?;
    user.guid = change.tenant.guid();
    insert(change, user)
}

/// Inserts an account that was checked.
pub(crate) fn insert(change: &Change<'_>, mut user: User) -> Result<Noted<User>, Refused> {
    user.id = insert_user(change.transaction, &user, change.now_ms)?;
    if user.active && user.login_enabled {
        countersign_signin::invite(change.tenant, change.transaction, &user, true)?;
    }
    let name = user.name.clone();
    Ok(change.noted("user.create", &name, user)?)
}

/// What happens to another mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// It counts once its owner has said so.
    Verified,
    /// It counts at once.
    Trusted,
}

/// Changes an account. Who can no longer sign in has no session left.
pub fn update(
    change: &Change<'_>,
    user_id: &str,
    wanted: UserInput,
    manner: Manner,
    address: Address,
) -> Result<Noted<User>, Refused> {
    let before = find(change, user_id)?;
    let mut user = input::changed(change.transaction, wanted, before.clone(), manner)?;
    keep_own_access(change, &before, &user)?;
    let wished = (address == Address::Verified && user.email != before.email)
        .then(|| std::mem::replace(&mut user.email, before.email.clone()));
    if let Some(wished) = &wished {
        let Noted(()) = ask_address(change, &before, wished)?;
    }
    write_user(change.transaction, user.id, &user)?;
    if !user.is_open() {
        countersign_signin::close(change.transaction, user.id)?;
    }
    let user = find(change, user_id)?;
    note_update(change, &before, &user, wished.is_some())?;
    Ok(Noted(user))
}

/// Asks the owner of another mail address of an account whether it is theirs. Until they
/// say so, the account keeps the one that it has.
pub fn ask_address(change: &Change<'_>, user: &User, address: &str) -> Result<Noted<()>, Refused> {
    if !input::is_mail_address(address) {
        let what = format!("email_address: {address} is no e-mail address.");
        return Err(Refused::invalid(what));
    }
    countersign_signin::wish_address(change.tenant, change.transaction, user, address)?;
    Ok(change.noted("address.ask", address, ())?)
}

/// What changed about an account, each kind of it an entry; at least one.
fn note_update(
    change: &Change<'_>,
    before: &User,
    after: &User,
    is_noted: bool,
) -> Result<(), Error> {
    let by = change.by();
    let is_switched = before.is_open() != after.is_open();
    if is_switched {
        let act = if after.is_open() { "user.enable" } else { "user.disable" };
        change.note_as(&by, act, &after.name)?;
    }
    let has_other_roles = before.roles != after.roles;
    if has_other_roles {
        let what = format!("{}: {}", after.name, after.roles.join(", "));
        change.note_as(&by, "user.roles", &what)?;
    }
    let is_noted = is_noted || is_switched || has_other_roles;
    if !is_noted || before.without_access() != after.without_access() {
        change.note_as(&by, "user.edit", &after.name)?;
    }
    Ok(())
}

/// Everybody may change the own name and address; what an administrator decides stays
/// with administrators.
pub fn update_own(
    change: &Change<'_>,
    user: &User,
    wanted: UserInput,
    mut manner: Manner,
) -> Result<Noted<User>, Refused> {
    if !user.may(Permission::ManageIdentity) {
        let own = UserInput {
            first_name: wanted.first_name.clone(),
            last_name: wanted.last_name.clone(),
            email_address: wanted.email_address.clone(),
            title: wanted.title.clone(),
            phone: wanted.phone.clone(),
            ..UserInput::default()
        };
        if own != wanted {
            return Err(Refused::Forbidden("only an administrator changes these members"));
        }
        manner.is_partial = true;
    }
    update(change, &user.guid, wanted, manner, Address::Verified)
}

/// Lets a user sign in, or no longer: then all sessions end.
pub fn enable(change: &Change<'_>, user_id: &str, is: bool) -> Result<Noted<User>, Refused> {
    let wanted = UserInput { login_enabled: Some(is), ..UserInput::default() };
    update(change, user_id, wanted, Manner::PARTIAL, Address::Verified)
}

/// Deletes an account with its credentials, clients and sessions.
pub fn delete(change: &Change<'_>, user_id: &str) -> Result<Noted<()>, Refused> {
    let user = find(change, user_id)?;
    if is_own(change, &user) {
        return Err(Refused::Forbidden(SELF));
    }
    change.transaction.execute("delete from users where id = ?", [user.id])?;
    countersign_signin::forget(change.transaction, user.id)?;
    Ok(change.noted("user.delete", &user.name, ())?)
}

/// Ends a lock-out.
pub fn unlock(change: &Change<'_>, user_id: &str) -> Result<Noted<()>, Refused> {
    let user = find(change, user_id)?;
    throttle::unlock(change.transaction, user.id, change.now_ms)?;
    Ok(change.noted("user.unlock", &user.name, ())?)
}

/// Forgets the second factors of an account and ends its sessions.
pub fn reset_factors(change: &Change<'_>, user_id: &str) -> Result<Noted<()>, Refused> {
    let user = find(change, user_id)?;
    if is_own(change, &user) {
        return Err(Refused::Forbidden(SELF));
    }
    factor::reset(change.transaction, user.id)?;
    let what = format!("The second factor of the account {} was reset.", user.name);
    letters::happened(change.transaction, &user, letters::MFA_RESET, &what, change.now_ms)?;
    Ok(change.noted("factor.reset", &user.name, ())?)
}

/// Sends the link that leads to a password: the activation again, where there never was
/// one.
pub fn send_link(change: &Change<'_>, user: &User) -> Result<Noted<()>, Refused> {
    if !user.is_open() {
        return Err(Refused::Missing("user"));
    }
    countersign_signin::invite(change.tenant, change.transaction, user, true)?;
    Ok(change.noted("user.send_link", &user.name, ())?)
}

/// Nobody shuts the door from inside.
const SELF: &str = "nobody removes their own access; ask another administrator";

fn is_own(change: &Change<'_>, user: &User) -> bool {
    change.act().by == By::User(user.name.clone())
}

fn keep_own_access(change: &Change<'_>, before: &User, after: &User) -> Result<(), Refused> {
    let loses = before.is_open() && !after.is_open()
        || before.may(Permission::ManageIdentity) && !after.may(Permission::ManageIdentity);
    if is_own(change, before) && loses {
        return Err(Refused::invalid(
            "roles: the own account stays an administrator's and enabled.",
        ));
    }
    Ok(())
}

/// Makes the first administrator where there is none. Its password is told in the ready
/// file until it is changed.
pub fn make_first_admin(change: &Change<'_>) -> Result<Noted<()>, Error> {
    let mut bytes = zeroize::Zeroizing::new([0; 15]);
    let random = change.tenant.random();
    random(&mut *bytes);
    // A symbol, a digit and both cases, whatever was drawn.
    let drawn = data_encoding::BASE32_NOPAD.encode(&*bytes).to_lowercase();
    let drawn = zeroize::Zeroizing::new(drawn);
    let password = zeroize::Zeroizing::new(format!("{}-A7", *drawn));
    let admin = User {
        guid: change.tenant.guid(),
        name: "admin@example.com".into(),
        email: "admin@example.com".into(),
        first_name: "First".into(),
        last_name: "Administrator".into(),
        roles: vec!["extadmin".into()],
        ..User::nobody(false)
    };
    let id = insert_user(change.transaction, &admin, change.now_ms)?;
    let hash = change.tenant.hasher().hash(&password, &**random)?;
    password::set(change.transaction, id, &hash, change.now_ms)?;
    change.transaction.execute(
        "insert or replace into meta (name, value) values ('first_admin', ?)",
        [format!("{id}:{}", change.tenant.seal_first_password(&password))],
    )?;
    change.noted("user.create", &admin.name, ())
}

/// Whether some person administers users.
pub fn has_admin(view: &View<'_>) -> Result<bool, Error> {
    let sql = "select exists (select 1 from user_roles r join users u on u.id = r.user
        where r.role = 'extadmin' and not u.is_api)";
    Ok(view.connection.query_row(sql, [], |row| row.get(0))?)
}

/// Name and password of the first administrator, until the password is changed.
pub fn first_admin(view: &View<'_>) -> Result<Option<(String, zeroize::Zeroizing<String>)>, Error> {
    let held: Option<String> = view
        .connection
        .query_row("select value from meta where name = 'first_admin'", [], |row| row.get(0))
        .optional()?;
    let Some((id, sealed)) = held.as_deref().and_then(|text| text.split_once(':')) else {
        return Ok(None);
    };
    let password = view.tenant.unseal_first_password(sealed)?;
    Ok(user_by(view.connection, "id", id)?.map(|user| (user.name, password)))
}

/// The first password is told no longer: its owner has another.
pub(crate) fn forget_first_password(transaction: &Transaction<'_>, user: i64) -> Result<(), Error> {
    transaction.execute(
        "delete from meta where name = 'first_admin' and value like ? || ':%'",
        [user.to_string()],
    )?;
    Ok(())
}

/// Inserts a user with roles and teams; answers its row id.
pub(crate) fn insert_user(
    transaction: &Transaction<'_>,
    user: &User,
    now_ms: i64,
) -> Result<i64, rusqlite::Error> {
    transaction.execute(
        "insert into users (guid, name, email, first_name, last_name, is_api, created_ms)
         values (?, '', '', '', '', ?, ?)",
        params![user.guid, user.is_api, now_ms],
    )?;
    let id = transaction.last_insert_rowid();
    write_user(transaction, id, user)?;
    Ok(id)
}

/// Writes everything that may change about a user.
fn write_user(transaction: &Transaction<'_>, id: i64, user: &User) -> rusqlite::Result<()> {
    let ips = serde_json::to_string(&user.allowed_ips).unwrap_or_else(|_| "[]".into());
    transaction.execute(
        "update users set name = ?, email = ?, first_name = ?, last_name = ?, active = ?,
            login_enabled = ?, pin_required = ?, ip_restricted = ?, allowed_ips = ? where id = ?",
        params![
            user.name,
            user.email,
            user.first_name,
            user.last_name,
            user.active,
            user.login_enabled,
            user.pin_required,
            user.ip_restricted,
            ips,
            id,
        ],
    )?;
    write_memberships(transaction, id, user)
}

fn write_memberships(transaction: &Transaction<'_>, id: i64, user: &User) -> rusqlite::Result<()> {
    transaction.execute("delete from user_roles where user = ?", [id])?;
    for role in &user.roles {
        transaction.execute(
            "insert or ignore into user_roles (user, role) values (?, ?)",
            params![id, role],
        )?;
    }
    transaction.execute("delete from team_members where user = ?", [id])?;
    for team in &user.teams {
        join(transaction, team.id, id, &team.relationship)?;
    }
    Ok(())
}

/// Another mail address of a user.
pub(crate) fn set_email(
    transaction: &Transaction<'_>,
    user: i64,
    email: &str,
) -> rusqlite::Result<()> {
    transaction.execute("update users set email = ? where id = ?", params![email, user])?;
    Ok(())
}

/// Makes a user a member of a team, or changes how it is one.
pub(crate) fn join(
    transaction: &Transaction<'_>,
    team: i64,
    user: i64,
    relationship: &str,
) -> rusqlite::Result<()> {
    transaction.execute(
        "insert into team_members (team, user, relationship) values (?, ?, ?)
         on conflict do update set relationship = excluded.relationship",
        params![team, user, relationship],
    )?;
    Ok(())
}
