//! Admin → Teams and Business units: what there is, what belongs to one, adding,
//! renaming, deleting.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::identity as wire;

use super::Console;
use super::web::{Admin, Form, Frame, Stop, Tab, complaints, go};
use crate::rest::query::Query;
use countersign_tenant::list::{Counted, Window};
use countersign_tenant::{Change, Error, Manner, Noted, Refused, View, teams, units};
use countersign_web::query::encode;

/// Of a list, and of the members of one.
const PAGE: u64 = 100;
const MAX_MEMBERS: usize = 500;

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
        self.tab().path()
    }

    fn tab(self) -> Tab {
        match self {
            Self::Team => Tab::Teams,
            Self::Unit => Tab::Units,
        }
    }

    /// One of it, what belongs to it, and how that is named.
    fn words(self) -> [&'static str; 3] {
        match self {
            Self::Team => ["team", "Members", "User name"],
            Self::Unit => ["business unit", "Teams", "Name of a team"],
        }
    }

    fn overview(
        self,
        view: &View<'_>,
        search: &str,
        window: &Window,
    ) -> Result<Vec<Counted>, Error> {
        match self {
            Self::Team => teams::overview(view, search, window),
            Self::Unit => units::overview(view, search, window),
        }
    }

    /// The name of one, and who or what belongs to it.
    fn read(self, view: &View<'_>, guid: &str) -> Result<(String, Vec<Member>), Refused> {
        match self {
            Self::Team => {
                let team = teams::read(view, guid, "")?;
                let member = |user: wire::TeamMember| Member {
                    guid: user.user_id.unwrap_or_default(),
                    name: user.user_name.unwrap_or_default(),
                    note: user.relationship.map(|one| one.name).unwrap_or_default(),
                };
                let members = team.users.unwrap_or_default().into_iter().map(member);
                Ok((team.team_name.unwrap_or_default(), members.collect()))
            }
            Self::Unit => {
                let unit = units::read(view, guid, "")?;
                let member = |team: wire::Membership| Member {
                    guid: team.team_id.unwrap_or_default(),
                    name: team.team_name.unwrap_or_default(),
                    note: String::new(),
                };
                let members = unit.teams.unwrap_or_default().into_iter().map(member);
                Ok((unit.bu_name.unwrap_or_default(), members.collect()))
            }
        }
    }

    fn create(self, change: &Change<'_>, name: String) -> Result<Noted<String>, Refused> {
        let name = Some(name);
        Ok(match self {
            Self::Team => {
                let input = wire::TeamInput { team_name: name, ..wire::TeamInput::default() };
                teams::create(change, input, "")?.map(|team| team.team_id)
            }
            Self::Unit => {
                let input = wire::BusinessUnitInput { bu_name: name, teams: None };
                units::create(change, input, "")?.map(|unit| unit.bu_id)
            }
        })
    }

    /// Renames one, or adds to it: what is none stays as it is.
    fn update(
        self,
        change: &Change<'_>,
        guid: &str,
        name: Option<String>,
        added: Option<String>,
    ) -> Result<Noted<()>, Refused> {
        Ok(match self {
            Self::Team => {
                let member = |name| wire::TeamMember {
                    user_name: Some(name),
                    ..wire::TeamMember::default()
                };
                let users = added.map(|name| vec![member(name)]);
                let input =
                    wire::TeamInput { team_name: name, users, ..wire::TeamInput::default() };
                teams::update(change, guid, input, Manner::ADDING, "")?.map(drop)
            }
            Self::Unit => {
                let team = |name| wire::Membership {
                    team_name: Some(name),
                    ..wire::Membership::default()
                };
                let teams = added.map(|name| vec![team(name)]);
                let input = wire::BusinessUnitInput { bu_name: name, teams };
                units::update(change, guid, input, Manner::ADDING, "")?.map(drop)
            }
        })
    }

    fn remove(self, change: &Change<'_>, guid: &str, member: &str) -> Result<Noted<()>, Refused> {
        Ok(match self {
            Self::Team => teams::remove(change, guid, member, "")?.map(drop),
            Self::Unit => units::remove(change, guid, member, "")?.map(drop),
        })
    }

    fn delete(self, change: &Change<'_>, guid: &str) -> Result<Noted<()>, Refused> {
        match self {
            Self::Team => teams::delete(change, guid),
            Self::Unit => units::delete(change, guid),
        }
    }
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
    rows: Vec<Counted>,
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
    let at: u64 = query.get("page").and_then(|page| page.parse().ok()).unwrap_or_default();
    let at = at.min(u64::MAX / PAGE - 1);
    let wanted = search.clone();
    let window = Window { limit: PAGE + 1, offset: at * PAGE, sort: None };
    let ask = move |view: &View<'_>| kind.overview(view, &wanted, &window);
    let mut rows = console.app.look::<_, Error>(ask).await?;
    let is_more = rows.len() > PAGE as usize;
    rows.truncate(PAGE as usize);
    let link = |page: u64| format!("{}?page={page}&search={}", kind.path(), encode(&search));
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
    let frame = person.visitor.frame(kind.tab().label()).within(kind.tab());
    let page = list_page(&console, frame, kind, &query, Vec::new()).await?;
    person.visitor.page(200, &page)
}

pub(super) async fn create(
    State(console): State<Console>,
    Path(kind): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let kind = Kind::parse(&kind)?;
    let (person, fields) = form.admin(kind.path())?;
    let name = fields.get("name").unwrap_or_default().to_owned();
    let make = move |change: &Change<'_>| kind.create(change, name);
    let made = complaints(console.app.change(person.act(), make).await)?;
    match made {
        Ok(guid) => Ok(go(&format!("{}/{guid}", kind.path()))),
        Err(complaints) => {
            let frame = person.visitor.frame(kind.tab().label()).within(kind.tab());
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
    let wanted = guid.clone();
    let ask = move |view: &View<'_>| kind.read(view, &wanted);
    let (name, mut members) = console.app.look::<_, Refused>(ask).await?;
    members.truncate(MAX_MEMBERS);
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

pub(super) async fn show(
    State(console): State<Console>,
    Admin(person): Admin,
    Path((kind, guid)): Path<(String, String)>,
) -> Result<Response, Stop> {
    let kind = Kind::parse(&kind)?;
    let mut page = one_page(&console, kind, guid, Vec::new()).await?;
    page.frame = person.visitor.frame(&page.name).within(kind.tab());
    person.visitor.page(200, &page)
}

/// What is done to a team or unit, as a form names it.
#[derive(Clone, Copy)]
enum Act {
    Rename,
    Add,
    Remove,
    Delete,
}

impl Act {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "rename" => Self::Rename,
            "add" => Self::Add,
            "remove" => Self::Remove,
            "delete" => Self::Delete,
            _ => return None,
        })
    }
}

pub(super) async fn change(
    State(console): State<Console>,
    Path((kind, guid)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Stop> {
    let kind = Kind::parse(&kind)?;
    let (person, fields) = form.admin(kind.path())?;
    let text = |name: &str| fields.get(name).unwrap_or_default().trim().to_owned();
    let act = Act::parse(&text("act")).ok_or(Stop::NotFound)?;
    let (given, wanted) = (text("value"), guid.clone());
    let make = move |change: &Change<'_>| -> Result<Noted<()>, Refused> {
        match act {
            Act::Rename => kind.update(change, &wanted, Some(given), None),
            Act::Add => kind.update(change, &wanted, None, Some(given)),
            Act::Remove => kind.remove(change, &wanted, &given),
            Act::Delete if kind.read(change, &wanted)?.0 != given => {
                Err(Refused::invalid("The name that was typed is another."))
            }
            Act::Delete => kind.delete(change, &wanted),
        }
    };
    let done = complaints(console.app.change(person.act(), make).await)?;
    let complaints = done.err().unwrap_or_default();
    if complaints.is_empty() {
        return Ok(match act {
            Act::Delete => go(kind.path()),
            _ => go(&format!("{}/{guid}", kind.path())),
        });
    }
    let mut page = one_page(&console, kind, guid, complaints).await?;
    page.frame = person.visitor.frame(&page.name).within(kind.tab());
    person.visitor.page(422, &page)
}
