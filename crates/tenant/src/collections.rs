//! Collections: applications that are looked at together.

use countersign_wire::application::{BusinessUnitRef, CustomField};
use countersign_wire::collection::{
    AssetInfo, Collection, CollectionInput, CollectionStatistics, ComplianceOverview,
};
use countersign_wire::credential::SelfLink;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use crate::act::{Change, Noted, View};
use crate::applications::{self, seen_by};
use crate::condition::{Condition, number, text};
use crate::list::{Source, Window};
use crate::user::User;
use crate::words::Compliance;
use crate::{Error, Refused, guid_of, timestamp, whole_second};

const SOURCE: Source = Source {
    columns: "c.id, c.guid, c.name, c.description, c.tags, c.restricted, u.guid, u.name,
        c.custom_fields, c.created_ms, c.modified_ms",
    tables: "collections c left join business_units u on u.id = c.business_unit",
    sorts: &[],
    order: "c.id",
};

/// The one type of assets that there is.
const APPLICATION: &str = "APPLICATION";

/// Assets of a collection at most.
const MOST_ASSETS: usize = 500;

/// Which collections are wanted; what is none or empty does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Part of the name.
    pub name: Option<String>,
    /// Part of the name of the business unit.
    pub business_unit: Option<String>,
    /// One of its tags.
    pub tag: Option<String>,
    /// Names and values, all of which it has.
    pub custom_fields: Vec<(String, String)>,
}

impl Filter {
    fn condition(&self) -> Condition {
        let mut condition = Condition::always();
        for (column, part) in [("c.name", &self.name), ("u.name", &self.business_unit)] {
            if let Some(part) = part {
                condition.holds(&[column], part);
            }
        }
        if let Some(tag) = &self.tag {
            condition.and(
                "exists (select 1
                 from json_each('[' || replace(json_quote(c.tags), ',', '\",\"') || ']')
                 where trim(value) = ?)",
                [text(tag)],
            );
        }
        if !self.custom_fields.is_empty() {
            condition.and(
                "not exists (select 1 from json_each(?) pair
                 where not exists (select 1 from json_each(c.custom_fields) field
                    where field.value ->> 'name' = pair.value ->> 0
                        and field.value ->> 'value' = pair.value ->> 1))",
                [serde_json::json!(self.custom_fields).to_string().into()],
            );
        }
        condition
    }
}

/// One page of collections, and how many there are; `base` is for links. Of the assets
/// those that the user sees.
pub fn list(
    view: &View<'_>,
    user: &User,
    filter: &Filter,
    window: &Window,
    base: &str,
) -> Result<(Vec<Collection>, u64), Error> {
    let condition = filter.condition();
    let (rows, total) =
        SOURCE.page(view.connection, &condition, window, |row| read_row(row, base))?;
    let whole = rows.into_iter().map(|row| complete(view.connection, user, row));
    Ok((whole.collect::<Result<_, _>>()?, total))
}

/// A collection.
pub fn read(view: &View<'_>, user: &User, guid: &str, base: &str) -> Result<Collection, Refused> {
    let id = id_of(view.connection, guid)?;
    Ok(whole(view.connection, user, id, base)?)
}

/// One page of the assets of a collection that the user sees, and how many they are.
pub fn assets(
    view: &View<'_>,
    user: &User,
    guid: &str,
    window: &Window,
) -> Result<(Vec<AssetInfo>, u64), Refused> {
    let condition = assets_of(user, Some(id_of(view.connection, guid)?));
    let total = condition.count(view.connection, ASSETS)?;
    Ok((assets_by(view.connection, &condition, window)?, total))
}

/// Counts over all collections.
pub fn statistics(view: &View<'_>, user: &User) -> Result<CollectionStatistics, Error> {
    let sql = "select count(*) from collections";
    let total_collections = view.connection.query_row(sql, [], |row| row.get(0))?;
    let all = assets_by(view.connection, &assets_of(user, None), &everything())?;
    Ok(CollectionStatistics {
        total_collections,
        total_assets: all.len() as u64,
        compliance_overview: overview(&all),
    })
}

/// A new collection.
pub fn create(
    change: &Change<'_>,
    user: &User,
    wanted: &CollectionInput,
    base: &str,
) -> Result<Noted<Collection>, Refused> {
    let wanted = Wanted::read(change, user, wanted, None)?;
    change.transaction.execute(
        "insert into collections (guid, name, created_ms, modified_ms) values (?1, ?2, ?3, ?3)",
        params![change.tenant.guid(), wanted.name, whole_second(change.now_ms)],
    )?;
    let id = change.transaction.last_insert_rowid();
    wanted.write(change, id)?;
    noted(change, user, "collection.create", id, base)
}

/// Replaces all of a collection; its assets stay where the body does not name any.
pub fn update(
    change: &Change<'_>,
    user: &User,
    guid: &str,
    wanted: &CollectionInput,
    base: &str,
) -> Result<Noted<Collection>, Refused> {
    let id = id_of(change.connection, guid)?;
    Wanted::read(change, user, wanted, Some(id))?.write(change, id)?;
    noted(change, user, "collection.edit", id, base)
}

/// Deletes a collection; its applications stay.
pub fn delete(change: &Change<'_>, user: &User, guid: &str) -> Result<Noted<()>, Refused> {
    let id = id_of(change.connection, guid)?;
    let name = whole(change.connection, user, id, "")?.name.unwrap_or_default();
    change.transaction.execute("delete from collections where id = ?", [id])?;
    Ok(change.noted("collection.delete", &name, ())?)
}

fn noted(
    change: &Change<'_>,
    user: &User,
    act: &str,
    id: i64,
    base: &str,
) -> Result<Noted<Collection>, Refused> {
    let collection = whole(change.connection, user, id, base)?;
    let name = collection.name.clone().unwrap_or_default();
    Ok(change.noted(act, &name, collection)?)
}

fn id_of(connection: &Connection, guid: &str) -> Result<i64, Refused> {
    let sql = "select id from collections where guid = ?";
    let id = connection.query_row(sql, [guid_of(guid)?], |row| row.get(0)).optional()?;
    id.ok_or(Refused::NoSuch("Collection"))
}

fn read_row(row: &Row<'_>, base: &str) -> rusqlite::Result<(i64, Collection)> {
    let guid: String = row.get(1)?;
    let unit: Option<String> = row.get(6)?;
    let unit_name: Option<String> = row.get(7)?;
    let fields: String = row.get(8)?;
    let unit = unit.map(|guid| BusinessUnitRef { id: None, name: unit_name, guid: Some(guid) });
    let collection = Collection {
        links: Some(SelfLink::to(format!("{base}/appsec/v1/collections/{guid}"))),
        guid,
        name: row.get(2)?,
        description: row.get(3)?,
        tags: row.get(4)?,
        restricted: row.get(5)?,
        business_unit: unit,
        custom_fields: serde_json::from_str(&fields).unwrap_or_default(),
        created: Some(timestamp(row.get(9)?)),
        modified: Some(timestamp(row.get(10)?)),
        ..Collection::default()
    };
    Ok((row.get(0)?, collection))
}

fn whole(
    connection: &Connection,
    user: &User,
    id: i64,
    base: &str,
) -> rusqlite::Result<Collection> {
    let sql = format!("select {} from {} where c.id = ?", SOURCE.columns, SOURCE.tables);
    let row = connection.query_row(&sql, [id], |row| read_row(row, base))?;
    complete(connection, user, row)
}

/// With the assets that the user sees.
fn complete(
    connection: &Connection,
    user: &User,
    (id, collection): (i64, Collection),
) -> rusqlite::Result<Collection> {
    let mut assets = assets_by(connection, &assets_of(user, Some(id)), &everything())?;
    let (total_assets, compliance_overview) = (assets.len() as u64, overview(&assets));
    for asset in &mut assets {
        asset.policy_compliance_status = None;
    }
    Ok(Collection { total_assets, compliance_overview, asset_infos: assets, ..collection })
}

const ASSETS: &str = "applications a";

fn everything() -> Window {
    Window { limit: i64::MAX as u64, offset: 0, sort: None }
}

/// Applications that the user sees, in a collection or in any.
fn assets_of(user: &User, collection: Option<i64>) -> Condition {
    let mut condition = seen_by(user);
    match collection {
        Some(id) => condition.and(
            "a.id in (select application from collection_assets where collection = ?)",
            [id.into()],
        ),
        None => condition.and("a.id in (select application from collection_assets)", []),
    }
    condition
}

fn assets_by(
    connection: &Connection,
    condition: &Condition,
    window: &Window,
) -> rusqlite::Result<Vec<AssetInfo>> {
    let sql = format!(
        "select a.guid, a.name, a.compliance from {ASSETS} where {} order by a.id limit ? offset ?",
        condition.text()
    );
    let values = condition.values_and([number(window.limit), number(window.offset)]);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        Ok(AssetInfo {
            guid: row.get(0)?,
            kind: Some(APPLICATION.into()),
            name: row.get(1)?,
            policy_compliance_status: row.get(2)?,
        })
    })?;
    rows.collect()
}

fn overview(assets: &[AssetInfo]) -> ComplianceOverview {
    let mut overview = ComplianceOverview::default();
    for asset in assets {
        let count = match asset.policy_compliance_status.as_deref().and_then(Compliance::parse) {
            Some(Compliance::DidNotPass) => &mut overview.out_of_compliance,
            Some(Compliance::ConditionalPass) => &mut overview.within_grace_period,
            Some(Compliance::Passed) => &mut overview.compliant,
            _ => &mut overview.not_assessed,
        };
        *count += 1;
    }
    overview
}

/// A collection as the body wants it, references resolved.
struct Wanted<'a> {
    name: String,
    input: &'a CollectionInput,
    business_unit: Option<i64>,
    custom_fields: Vec<&'a CustomField>,
    /// None: they stay.
    assets: Option<Vec<i64>>,
}

impl<'a> Wanted<'a> {
    /// `own` is the collection that is being changed.
    fn read(
        change: &Change<'_>,
        user: &User,
        input: &'a CollectionInput,
        own: Option<i64>,
    ) -> Result<Self, Refused> {
        let connection = change.connection;
        let name = input.name.as_deref().unwrap_or_default().trim().to_owned();
        for (member, text, least, most) in [
            ("name", Some(&name), 1, 256),
            ("description", input.description.as_ref(), 0, 4096),
            ("tags", input.tags.as_ref(), 0, 4096),
        ] {
            let length = text.map_or(0, |text| text.chars().count());
            if !(least..=most).contains(&length) {
                let title = format!("The {member} must be {least} to {most} characters long.");
                return Err(Refused::member(&format!("/{member}"), &title));
            }
        }
        let sql = "select id from collections where name = ?";
        let taken: Option<i64> = connection.query_row(sql, [&name], |row| row.get(0)).optional()?;
        if taken.is_some_and(|id| Some(id) != own) {
            return Err(Refused::taken("/name"));
        }
        let business_unit = match input.business_unit.as_ref().and_then(|u| u.guid.as_deref()) {
            None => None,
            Some(guid) => {
                let sql = "select id from business_units where guid = ?";
                let found: Option<i64> =
                    connection.query_row(sql, [guid_of(guid)?], |row| row.get(0)).optional()?;
                Some(found.ok_or_else(|| {
                    Refused::member("/business_unit/guid", "There is no such business unit.")
                })?)
            }
        };
        let assets = input.asset_infos.as_deref();
        let assets = assets.map(|assets| asset_ids(change, user, assets)).transpose()?;
        let custom_fields = input.custom_fields.iter().filter(|field| field.name.is_some());
        Ok(Self { name, input, business_unit, custom_fields: custom_fields.collect(), assets })
    }

    fn write(&self, change: &Change<'_>, id: i64) -> Result<(), Error> {
        let transaction = change.transaction;
        transaction.execute(
            "update collections set name = ?2, description = ?3, tags = ?4, restricted = ?5,
                business_unit = ?6, custom_fields = ?7, modified_ms = ?8 where id = ?1",
            params![
                id,
                self.name,
                self.input.description,
                self.input.tags.as_deref().unwrap_or_default(),
                self.input.restricted.unwrap_or_default(),
                self.business_unit,
                serde_json::to_string(&self.custom_fields)?,
                whole_second(change.now_ms),
            ],
        )?;
        let Some(assets) = &self.assets else { return Ok(()) };
        transaction.execute("delete from collection_assets where collection = ?", [id])?;
        for asset in assets {
            transaction
                .execute("insert or ignore into collection_assets values (?, ?)", [id, *asset])?;
        }
        Ok(())
    }
}

/// The applications that are named: all of them are seen by the user.
fn asset_ids(change: &Change<'_>, user: &User, assets: &[AssetInfo]) -> Result<Vec<i64>, Refused> {
    if assets.len() > MOST_ASSETS {
        let title = format!("There must be at most {MOST_ASSETS} assets.");
        return Err(Refused::member("/asset_infos", &title));
    }
    let mut ids = Vec::with_capacity(assets.len());
    for (at, asset) in assets.iter().enumerate() {
        if asset.kind.as_deref().is_some_and(|kind| kind != APPLICATION) {
            let path = format!("/asset_infos/{at}/type");
            return Err(Refused::member(&path, "The type of an asset is APPLICATION."));
        }
        let visible = applications::visible(change, user, &asset.guid);
        ids.push(visible.map(|visible| visible.id).map_err(|refused| match refused {
            Refused::NoSuch(_) => {
                let path = format!("/asset_infos/{at}/guid");
                Refused::member(&path, "There is no such application.")
            }
            other => other,
        })?);
    }
    Ok(ids)
}
