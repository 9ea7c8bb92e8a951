//! Lists of applications.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::{Body, SELECT, TABLE, complete, read_row, seen_by};
use crate::Error;
use crate::act::View;
use crate::condition::{Condition, number, text};
use crate::list::Window;
use crate::user::User;

/// Types of the scans that an application lists.
pub const SCAN_TYPES: &[&str] = &["STATIC", "DYNAMIC", "MANUAL"];

/// Which applications are wanted; what is none or empty does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Part of the name.
    pub name: Option<String>,
    pub legacy_id: Option<i64>,
    pub business_unit: Option<String>,
    pub team: Option<String>,
    pub policy: Option<String>,
    pub policy_guid: Option<String>,
    /// `%` stands for any characters.
    pub tag: Option<String>,
    pub policy_compliance: Option<String>,
    pub scan_type: Option<String>,
    pub scan_status: Vec<String>,
    /// Milliseconds since the Unix epoch, as those below.
    pub modified_after: Option<i64>,
    pub policy_compliance_checked_after: Option<i64>,
    /// Names and values, all of which it has; `%` stands for any characters of a value.
    pub custom_fields: Vec<(String, String)>,
    pub sort_by_custom_field_name: Option<String>,
}

impl Filter {
    fn condition(&self, user: &User) -> Condition {
        let mut condition = seen_by(user);
        if let Some(name) = &self.name {
            condition.holds(&["a.name"], name);
        }
        if let Some(id) = self.legacy_id {
            condition.and("a.id = ?", [id.into()]);
        }
        for (value, sql) in [
            (&self.business_unit, "a.business_unit in (select id from business_units where name = ?)"),
            (
                &self.team,
                "exists (select 1 from application_teams t join teams on teams.id = t.team
                 where t.application = a.id and teams.name = ?)",
            ),
            (&self.policy, "a.policy in (select id from policies where name = ?)"),
            (&self.policy_guid, "a.policy in (select id from policies where guid = lower(?))"),
            // Each tag of the comma-separated text on its own. `json_quote` escapes all
            // that JSON has a meaning for, and a comma is never part of an escape.
            (
                &self.tag,
                "exists (select 1 from json_each('[' || replace(json_quote(a.tags), ',', '\",\"') || ']')
                 where trim(value) like ?)",
            ),
            (&self.policy_compliance, "a.compliance = ?"),
            (
                &self.scan_type,
                "exists (select 1 from scans s where s.application = a.id and s.scan_type = ?)",
            ),
        ] {
            if let Some(value) = value {
                condition.and(sql, [text(value)]);
            }
        }
        if !self.scan_status.is_empty() {
            let mut scans = Condition::new("s.application = a.id", []);
            scans.one_of("s.status", self.scan_status.iter().map(|status| text(status)));
            let some = format!("exists (select 1 from scans s where {})", scans.text());
            condition.and(&some, scans.values_and([]));
        }
        for (ms, sql) in [
            (self.modified_after, "a.modified_ms >= ?"),
            (self.policy_compliance_checked_after, "a.policy_checked_ms >= ?"),
        ] {
            if let Some(ms) = ms {
                condition.and(sql, [ms.into()]);
            }
        }
        // One value, however many fields: a statement has a limit of them.
        if !self.custom_fields.is_empty() {
            condition.and(
                "not exists (select 1 from json_each(?) pair
                 where not exists (select 1 from json_each(a.custom_fields) field
                    where field.value ->> 'name' = pair.value ->> 0
                        and field.value ->> 'value' like pair.value ->> 1))",
                [serde_json::json!(self.custom_fields).to_string().into()],
            );
        }
        condition
    }

    /// The order, and the value that it needs.
    fn order(&self) -> (&'static str, Option<Value>) {
        match &self.sort_by_custom_field_name {
            Some(name) => (
                "(select value ->> 'value' from json_each(a.custom_fields)
                where value ->> 'name' = ?) nulls last, a.id",
                Some(text(name)),
            ),
            None => ("a.id", None),
        }
    }
}

/// One page of the applications that a user sees and a filter leaves, and how many it
/// leaves; `base` is for links.
pub fn list(
    view: &View<'_>,
    user: &User,
    filter: &Filter,
    window: &Window,
    base: &str,
) -> Result<(Vec<Body>, u64), Error> {
    let condition = filter.condition(user);
    let total = condition.count(view.connection, TABLE)?;
    if window.offset >= total {
        return Ok((Vec::new(), total));
    }
    let (order, sorted) = filter.order();
    let sql = format!("{SELECT} where {} order by {order} limit ? offset ?", condition.text());
    let window = sorted.into_iter().chain([number(window.limit), number(window.offset)]);
    let values = condition.values_and(window);
    let mut statement = view.connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| read_row(row, base))?;
    let mut applications = rows.collect::<Result<Vec<_>, _>>()?;
    for application in &mut applications {
        complete(view.connection, &mut application.wire)?;
    }
    let bodies = applications.into_iter().map(|application| application.body(base));
    Ok((bodies.collect::<Result<_, _>>()?, total))
}
