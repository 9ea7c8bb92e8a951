//! The home of a platform: its database and its master key, and what every tenant has.

use std::path::Path;
use std::sync::Arc;

use countersign_signin::audit::{self, Verdict};
use countersign_signing::{ApiId, Pair};
use countersign_vault::MasterKey;
use rusqlite::OptionalExtension;

use crate::act::{Act, By, Change, View};
use crate::database::Database;
use crate::roles::account::Account;
use crate::tenant::{Opening, Tenant};
use crate::users::{self, User};
use crate::{Error, Random, Refused, clock, credentials, guid_from, policies, roles, seed};

/// How long the pair before a new one keeps working, unless an administrator or the
/// start of the platform says otherwise: a day.
pub const OVERLAP_MS: i64 = 24 * 3_600_000;

/// A pair made straight in the database.
pub struct Minted {
    /// The pair.
    pub pair: Pair,
    /// When it expires, milliseconds since the Unix epoch.
    pub expires_ms: i64,
    /// Guid of the account.
    pub user_id: String,
    /// Name of the account.
    pub user_name: String,
    /// Its roles.
    pub roles: Vec<String>,
}

/// Generates credentials for an API account, which is created when there is none of this
/// name. Works beside a running platform.
pub fn mint(
    home: &Path,
    user_name: &str,
    roles: &[String],
    now_ms: i64,
    random: &Random,
) -> Result<Minted, Error> {
    let tenant = Tenant::open(Opening {
        home,
        clock: Arc::new(move || now_ms),
        random: random.clone(),
        overlap_ms: OVERLAP_MS,
        console_url: None,
    })?;
    let minted = tenant.change(&Act::new(By::CommandLine, ""), |change| {
        let user = match users::named(change, user_name)? {
            Some(user) => fitting(user, roles)?,
            None => users::insert(change, new_api_user(change, user_name, roles)?)?.0,
        };
        credentials::generate(change, &user)?.try_map(|minted| {
            let id = ApiId::parse(&minted.credential.api_id);
            Ok::<_, Refused>(Minted {
                pair: Pair {
                    id: id.map_err(|error| Error::input(error.to_string()))?,
                    secret: minted.secret,
                },
                expires_ms: minted.credential.expires_ms,
                user_id: user.guid,
                user_name: user.name,
                roles: user.roles,
            })
        })
    });
    minted.map_err(|refused| match refused {
        Refused::Failed(error) => error,
        other => Error::input(format!("{other:?}")),
    })
}

/// The account that there is, if it is what was asked for.
fn fitting(user: User, roles: &[String]) -> Result<User, Error> {
    if !user.is_api {
        let what = format!("`{}` is a user account, not an API account", user.name);
        return Err(Error::input(what));
    }
    if !roles.is_empty() && !same(&user.roles, roles) {
        return Err(Error::input(format!(
            "API account `{}` exists with other roles: {}",
            user.name,
            user.roles.join(", ")
        )));
    }
    Ok(user)
}

/// Applications and findings.
pub fn counts(view: &View<'_>) -> Result<(u64, u64), Error> {
    let count = |sql| view.connection.query_row(sql, [], |row| row.get(0));
    Ok((count("select count(*) from applications")?, count("select count(*) from findings")?))
}

/// Follows the chain of the activity log: its length and last digest, or the first
/// entry that does not follow.
pub fn verify_audit(home: &Path) -> Result<Result<(i64, String), i64>, Error> {
    let path = home.join("platform.sqlite");
    if !path.exists() {
        return Err(Error::input(format!("there is no platform in `{}`", home.display())));
    }
    let verdict =
        Database::open(&path)?.read(|connection| audit::verify(connection).map_err(Error::from))?;
    Ok(match verdict {
        Verdict::Whole(entries, digest) => Ok((entries, digest)),
        Verdict::Broken(entry) => Err(entry),
    })
}

fn same(a: &[String], b: &[String]) -> bool {
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    sorted(a) == sorted(b)
}

fn new_api_user(change: &Change<'_>, name: &str, roles: &[String]) -> Result<User, Error> {
    let defaults = ["resultsapi".to_owned(), "noteamrestrictionapi".to_owned()];
    let roles = if roles.is_empty() { &defaults[..] } else { roles };
    for role in roles {
        if roles::find(role).is_none() {
            let api = roles::ROLES.iter().filter(|role| role.is_api).map(|role| role.name);
            return Err(Error::input(format!(
                "there is no role `{role}`\nhint: API roles are {}",
                api.collect::<Vec<_>>().join(", ")
            )));
        }
    }
    // What it sees is for whoever starts the platform to say.
    let account = Account { is_api: true, roles, custom: &[], has_teams: true };
    let complaints = account.complaints();
    if !complaints.is_empty() {
        return Err(Error::input(complaints.join("\n")));
    }
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        return Err(Error::input("a user name is 1 to 256 printable characters".into()));
    }
    Ok(User {
        guid: change.tenant.guid(),
        name: name.to_owned(),
        email: format!("{}@example.com", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")),
        first_name: "API".into(),
        last_name: name.to_owned(),
        roles: roles.to_vec(),
        ..User::nobody(true)
    })
}

impl Tenant {
    /// Opens the home and what is in it. Works beside a running platform.
    pub fn open(opening: Opening<'_>) -> Result<Self, Error> {
        let home = countersign_files::folder(opening.home)?;
        let key = home.join("master.key");
        let master = MasterKey::load_or_create(&key, &*opening.random).map_err(|error| {
            let is_exposed = error.is_exposed();
            let what = error.to_string();
            if is_exposed { Error::input(what) } else { Error::home(&home, what) }
        })?;
        let database = Database::open(&home.join("platform.sqlite"))?;
        furnish(&database)?;
        let setting = database.read(clock::load)?;
        Ok(Self::new(database, master, setting, opening))
    }
}

/// What every tenant has.
pub(crate) fn furnish(database: &Database) -> Result<(), Error> {
    database.write(|transaction| {
        let is_furnished: Option<i64> = transaction
            .query_row("select 1 from business_units where is_default = 1", [], |row| row.get(0))
            .optional()?;
        if is_furnished.is_none() {
            transaction.execute(
                "insert into business_units (guid, name, is_default) values (?, 'Not Specified', 1)",
                [guid_from("business-unit:default")],
            )?;
        }
        let is_described: Option<i64> =
            transaction.query_row("select 1 from cwes", [], |row| row.get(0)).optional()?;
        if is_described.is_none() {
            seed::weaknesses(transaction)?;
        }
        policies::furnish(transaction)
    })
}
