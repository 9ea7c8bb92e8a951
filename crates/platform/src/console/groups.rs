//! Admin → Teams and Business units: what there is, what belongs to one, adding,
//! renaming, deleting.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Console;
use super::web::{Admin, Form, Frame, Stop, go};
use crate::rest;
use crate::rest::query::{Query, encode};

/// Of a list, and of the members of one.
const PAGE: i64 = 100;
const MAX_MEMBERS: i64 = 500;

/// A team of users, or a business unit of teams.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Team,
    Unit,
}

impl Kind {
    fn parse(path: &str) -> Result<Self, Stop> {
        match path {
            "teams" => Ok(Self::Team),
            "business-units" => Ok(Self::Unit),
            _ => Err(Stop::NotFound),
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Team => "/admin/teams",
            Self::Unit => "/admin/business-units",
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::Team => "teams",
            Self::Unit => "business_units",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Team => "Teams",
            Self::Unit => "Business units",
        }
    }

    /// One of it, what belongs to it, and how that is named.
    fn words(self) -> [&'static str; 3] {
        match self {
            Self::Team => ["team", "Members", "User name"],
            Self::Unit => ["business unit", "Teams", "Name of a team"],
        }
    }

    /// Guid, name and note of what belongs to one.
    fn members(self) -> &'static str {
        match self {
            Self::Team => {
                "select u.guid, u.name, m.relationship from team_members m
                 join users u on u.id = m.user where m.team = ? order by u.name limit ?"
            }
            Self::Unit => {
                "select guid, name, '' from teams where business_unit = ? order by name limit ?"
            }
        }
    }

    fn count(self) -> &'static str {
        match self {
            Self::Team => "(select count(*) from team_members m where m.team = g.id)",
            Self::Unit => "(select count(*) from teams t where t.business_unit = g.id)",
        }
    }

    fn add(self, transaction: &Transaction<'_>, id: i64, name: &str) -> rusqlite::Result<bool> {
        let sql = match self {
            Self::Team => {
                "insert or ignore into team_members (team, user)
                 select ?1, id from users where name = ?2"
            }
            Self::Unit => "update teams set business_unit = ?1 where name = ?2",
        };
        Ok(transaction.execute(sql, params![id, name])? == 1)
    }

    fn remove(self, transaction: &Transaction<'_>, id: i64, guid: &str) -> rusqlite::Result<bool> {
        let sql = match self {
            Self::Team => {
                "delete from team_members
                 where team = ?1 and user = (select id from users where guid = ?2)"
            }
            Self::Unit => {
                "update teams set business_unit = null where business_unit = ?1 and guid = ?2"
            }
        };
        Ok(transaction.execute(sql, params![id, guid])? == 1)
    }

    /// False for what must stay.
    fn delete(self, transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<bool> {
        if self == Self::Unit {
            let sql = "select id from business_units where is_default order by id limit 1";
            let default: i64 = transaction.query_row(sql, [], |row| row.get(0))?;
            if default == id {
                return Ok(false);
            }
            transaction.execute(
                "update applications set business_unit = ? where business_unit = ?",
                params![default, id],
            )?;
        }
        let sql = format!("delete from {} where id = ?", self.table());
        Ok(transaction.execute(&sql, [id])? == 1)
    }
}

struct Row {
    guid: String,
    name: String,
    count: i64,
}

#[derive(Template)]
#[template(path = "groups.html")]
struct Groups {
    frame: Frame,
    path: &'static str,
    one: &'static str,
    members: &'static str,
    search: String,
    complaints: Vec<String>,
    rows: Vec<Row>,
    before: Option<String>,
    after: Option<String>,
}

async fn list_page(
    console: &Console,
    frame: Frame,
    kind: Kind,
    query: &Query,
    complaints: Vec<String>,
) -> Result<Groups, Stop> {
    let search = query.get("search").unwrap_or_default().to_owned();
    let at: i64 = query.get("page").and_then(|page| page.parse().ok()).unwrap_or_default();
    let at = at.clamp(0, i64::MAX / PAGE);
    let wanted = search.clone();
    let mut rows = console
        .app
        .read(move |connection, _| -> Result<_, countersign_tenant::Error> {
            let sql = format!(
                "select g.guid, g.name, {} from {} g
                 where ?1 = '' or instr(lower(g.name), lower(?1)) > 0
                 order by g.name limit ?2 offset ?3",
                kind.count(),
                kind.table()
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![wanted, PAGE + 1, at * PAGE], |row| {
                Ok(Row { guid: row.get(0)?, name: row.get(1)?, count: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })
        .await?;
    let is_more = rows.len() > PAGE as usize;
    rows.truncate(PAGE as usize);
    let link = |page: i64| format!("{}?page={page}&search={}", kind.path(), encode(&search));
    let [one, members, _] = kind.words();
    Ok(Groups {
        frame,
        path: kind.path(),
        one,
        members,
        complaints,
        rows,
        before: (at > 0).then(|| link(at - 1)),
        after: is_more.then(|| link(at + 1)),
        search,
    })
}

pub(super) async fn list(
    State(console): State<Console>,
    Admin(person): Admin,
    Path(kind): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Stop> {
    let kind = Kind::parse(&kind)?;
    let query = Query::parse(raw.as_deref());
    let frame = person.visitor.frame(kind.title());
    let page = list_page(&console, frame, kind, &query, Vec::new()).await?;
    person.visitor.page(200, &page)
}

/// The name, or what is wrong with it.
fn free(
    connection: &Connection,
    kind: Kind,
    name: &str,
    own: Option<i64>,
) -> Result<Result<String, Vec<String>>, Stop> {
    let mut errors = Vec::new();
    let given = (Some(name), true);
    let name = rest::free_name(connection, kind.table(), "name", given, own, &mut errors)?;
    Ok(match name {
        Some(name) if errors.is_empty() => Ok(name),
        _ => Err(errors),
    })
}

pub(super) async fn create(
    State(console): State<Console>,
    Path(kind): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let kind = Kind::parse(&kind)?;
    let (person, fields) = form.admin(kind.path())?;
    let name = fields.get("name").unwrap_or_default().to_owned();
    let (person, made) = console
        .app
        .write(move |transaction, state| -> Result<_, Stop> {
            let name = match free(transaction, kind, &name, None)? {
                Ok(name) => name,
                Err(complaints) => return Ok((person, Err(complaints))),
            };
            let guid = rest::error::conversation_id(state);
            let sql = format!("insert into {} (guid, name) values (?, ?)", kind.table());
            transaction.execute(&sql, params![guid, name])?;
            person.visitor.note(transaction, "group.create", &name)?;
            Ok((person, Ok(guid)))
        })
        .await?;
    match made {
        Ok(guid) => Ok(go(&format!("{}/{guid}", kind.path()))),
        Err(complaints) => {
            let frame = person.visitor.frame(kind.title());
            let page = list_page(&console, frame, kind, &fields, complaints).await?;
            person.visitor.page(422, &page)
        }
    }
}

struct Member {
    guid: String,
    name: String,
    note: String,
}

#[derive(Template)]
#[template(path = "group.html")]
struct Group {
    frame: Frame,
    path: String,
    list: &'static str,
    one: &'static str,
    members_title: &'static str,
    member_label: &'static str,
    name: String,
    complaints: Vec<String>,
    members: Vec<Member>,
}

async fn one_page(
    console: &Console,
    kind: Kind,
    guid: String,
    complaints: Vec<String>,
) -> Result<Group, Stop> {
    let wanted = guid.to_lowercase();
    let (name, members) = console
        .app
        .read(move |connection, _| -> Result<_, Stop> {
            let (id, name) = find(connection, kind, &wanted)?;
            let mut statement = connection.prepare_cached(kind.members())?;
            let rows = statement.query_map([id, MAX_MEMBERS], |row| {
                Ok(Member { guid: row.get(0)?, name: row.get(1)?, note: row.get(2)? })
            })?;
            Ok((name, rows.collect::<Result<Vec<_>, _>>()?))
        })
        .await?;
    let [one, members_title, member_label] = kind.words();
    Ok(Group {
        frame: Frame::default(),
        path: format!("{}/{guid}", kind.path()),
        list: kind.path(),
        one,
        members_title,
        member_label,
        name,
        complaints,
        members,
    })
}

fn find(connection: &Connection, kind: Kind, guid: &str) -> Result<(i64, String), Stop> {
    let sql = format!("select id, name from {} where guid = ?", kind.table());
    let found =
        connection.query_row(&sql, [guid], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    found.ok_or(Stop::NotFound)
}

pub(super) async fn show(
    State(console): State<Console>,
    Admin(person): Admin,
    Path((kind, guid)): Path<(String, String)>,
) -> Result<Response, Stop> {
    let mut page = one_page(&console, Kind::parse(&kind)?, guid, Vec::new()).await?;
    page.frame = person.visitor.frame(&page.name);
    person.visitor.page(200, &page)
}

pub(super) async fn change(
    State(console): State<Console>,
    Path((kind, guid)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Stop> {
    let kind = Kind::parse(&kind)?;
    let (person, fields) = form.admin(kind.path())?;
    let text = |name: &str| fields.get(name).unwrap_or_default().trim().to_owned();
    let (act, given, wanted) = (text("act"), text("value"), guid.to_lowercase());
    let is_deletion = act == "delete";
    let (person, complaints) = console
        .app
        .write(move |transaction, _| -> Result<_, Stop> {
            let (id, name) = find(transaction, kind, &wanted)?;
            let wrong = |what: &str| vec![what.to_owned()];
            let complaints = match act.as_str() {
                "rename" => match free(transaction, kind, &given, Some(id))? {
                    Ok(free) => {
                        let sql = format!("update {} set name = ? where id = ?", kind.table());
                        transaction.execute(&sql, params![free, id])?;
                        Vec::new()
                    }
                    Err(complaints) => complaints,
                },
                "add" if kind.add(transaction, id, &given)? => Vec::new(),
                "add" => wrong("There is nothing of this name, or it belongs to it already."),
                "remove" if kind.remove(transaction, id, &given)? => Vec::new(),
                "remove" => wrong("It did not belong to it."),
                "delete" if given != name => wrong("The name that was typed is another."),
                "delete" if kind.delete(transaction, id)? => Vec::new(),
                "delete" => wrong("The default cannot be deleted."),
                _ => return Err(Stop::NotFound),
            };
            if complaints.is_empty() {
                person.visitor.note(transaction, &format!("group.{act}"), &name)?;
            }
            Ok((person, complaints))
        })
        .await?;
    if complaints.is_empty() {
        return Ok(match is_deletion {
            true => go(kind.path()),
            false => go(&format!("{}/{guid}", kind.path())),
        });
    }
    let mut page = one_page(&console, kind, guid, complaints).await?;
    page.frame = person.visitor.frame(&page.name);
    person.visitor.page(422, &page)
}
