//! The home of a platform: its database and its master key, and what every tenant has.

use std::path::Path;
use std::sync::Arc;

use countersign_signin::audit::{self, Verdict};
use countersign_signing::Pair;
use countersign_vault::MasterKey;
use rusqlite::OptionalExtension;

use crate::clock::{self, VirtualClock};
use crate::credentials::Accounts;
use crate::database::Database;
use crate::users::{self, User};
use crate::{Error, Random, guid_from, policies, roles, seed};

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

/// Creates an API account when there is none of this name, and a pair for it.
/// Works beside a running platform.
pub fn mint(
    home: &Path,
    user_name: &str,
    roles: &[String],
    now_ms: i64,
    random: &Random,
) -> Result<Minted, Error> {
    let (database, master) = open_home(home, &**random)?;
    let setting = database.read(clock::load)?;
    let now_ms = VirtualClock::new(Arc::new(move || now_ms), setting).now();
    let accounts = Accounts::new(database.clone(), master, random.clone(), OVERLAP_MS);
    database.write(|transaction| {
        let user = match users::user_by(transaction, "name", user_name)? {
            Some(user) if !user.is_api => {
                return Err(Error::input(format!(
                    "`{user_name}` is a user account, not an API account"
                )));
            }
            Some(user) if !roles.is_empty() && !same(&user.roles, roles) => {
                return Err(Error::input(format!(
                    "API account `{user_name}` exists with other roles: {}",
                    user.roles.join(", ")
                )));
            }
            Some(user) => user,
            None => {
                let mut user = new_api_user(user_name, roles, random)?;
                user.id = users::insert_user(transaction, &user, now_ms)?;
                user
            }
        };
        let minted = accounts.mint(transaction, user.id, now_ms)?;
        let id = countersign_signing::ApiId::parse(&minted.credential.api_id);
        let id = id.map_err(|error| Error::input(error.to_string()))?;
        Ok(Minted {
            pair: Pair { id, secret: minted.secret },
            expires_ms: minted.credential.expires_ms,
            user_id: user.guid,
            user_name: user.name,
            roles: user.roles,
        })
    })
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

fn new_api_user(name: &str, roles: &[String], random: &Random) -> Result<User, Error> {
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
    roles::check_combination(true, roles).map_err(Error::input)?;
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        return Err(Error::input("a user name is 1 to 256 printable characters".into()));
    }
    let mut guid = [0; 16];
    random(&mut guid);
    Ok(User {
        id: 0,
        guid: uuid::Builder::from_random_bytes(guid).into_uuid().to_string(),
        name: name.to_owned(),
        email: format!("{}@example.com", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")),
        first_name: "API".into(),
        last_name: name.to_owned(),
        is_api: true,
        active: true,
        login_enabled: true,
        pin_required: false,
        ip_restricted: false,
        allowed_ips: Vec::new(),
        roles: roles.to_vec(),
        teams: Vec::new(),
        custom: Vec::new(),
    })
}

/// Database and master key; the default business unit and policy on first use.
pub fn open_home(home: &Path, random: &dyn Fn(&mut [u8])) -> Result<(Database, MasterKey), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home).map_err(|error| Error::home(home, error.to_string()))?;
    let master = MasterKey::load_or_create(&home.join("master.key"), random)
        .map_err(|error| Error::home(home, error.to_string()))?;
    let database = Database::open(&home.join("platform.sqlite"))?;
    furnish(&database)?;
    Ok((database, master))
}

/// What every tenant has.
pub fn furnish(database: &Database) -> Result<(), Error> {
    database.write(|transaction| {
        let is_furnished: Option<i64> = transaction
            .query_row("select 1 from business_units where is_default = 1", [], |row| row.get(0))
            .optional()?;
        if is_furnished.is_none() {
            transaction.execute(
                "insert into business_units (guid, name, is_default) values (?, 'Not Specified', 1)",
                [guid_from("business-unit:default")],
            )?;
            transaction.execute(
                "insert into policies (guid, name, is_default) values (?, 'Example Recommended High', 1),
                    (?, 'Example Baseline', 0)",
                [guid_from("policy:default"), guid_from("policy:baseline")],
            )?;
        }
        let is_described: Option<i64> =
            transaction.query_row("select 1 from cwes", [], |row| row.get(0)).optional()?;
        if is_described.is_none() {
            seed::weaknesses(transaction)?;
            for (name, highest) in [("Example Recommended High", 3), ("Example Baseline", 4)] {
                transaction.execute(
                    "update policies set definition = ? where name = ?",
                    [policies::definition(highest, 0), name.to_owned()],
                )?;
            }
        }
        Ok(())
    })
}
