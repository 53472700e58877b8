//! Scenarios: from the installation's files or by REST. Each change is a version.
//!
//! Files and requests have the same form, read by the same code ([`definition`]). Each time they are applied, the files
//! set the scenarios that they name. A scenario that no file names is left alone, unless an earlier file named it: then
//! it is deactivated. Every change raises the version, and plans name the version that decided them.

pub mod conditions;
pub mod definition;
pub mod facts;
pub mod lists;
pub mod prerequisites;
pub mod rules;
pub mod verdict;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sqlx::types::Json;

use crate::{
    db::PgConnection,
    error::{Error, OnConstraint, Refusal, Result},
    reading,
    scenarios::rules::Scenario,
};
use definition::Definition;

/// The author of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The installation's files.
    Files,
    /// A user, by REST.
    User(i64),
}

impl Author {
    fn user_id(self) -> Option<i64> {
        match self {
            Self::Files => None,
            Self::User(id) => Some(id),
        }
    }
}

/// The ids of a definition's references.
#[derive(Debug, Clone, Copy)]
pub struct References {
    /// The id of `default_location`.
    pub default_location_id: i64,
    /// The id of `initial_state_when_split`.
    pub initial_state_when_split_id: i64,
}

/// A stored scenario.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its id.
    pub id: i64,
    /// Its version.
    pub version: i32,
    /// Its definition.
    pub definition: Definition,
    /// The ids of its references.
    pub references: References,
    /// True if the installation's files have it.
    pub is_installed: bool,
    /// When it was created.
    pub created_date: chrono::DateTime<chrono::Utc>,
    /// When this version began.
    pub modified_date: chrono::DateTime<chrono::Utc>,
}

/// Reads a stored definition.
fn stored(name: &str, object: &Map<String, Value>) -> Result<Definition> {
    reading::whole(object, Definition::read).map_err(|defects| {
        let first = defects.first().map(ToString::to_string).unwrap_or_default();
        Error::Fault(format!("scenario {name} is not one that this version can read: {first}"))
    })
}

/// Reads scenarios: those with these ids, or all.
///
/// # Errors
/// When the database fails, or has rules that this version does not know.
pub async fn load(connection: &mut PgConnection, ids: Option<&[i64]>) -> Result<Vec<Kept>> {
    let rows = sqlx::query!(
        r#"select s.id, s.version, s.name, s.is_installed, s.created_date, s.modified_date, s.default_location_id,
                  s.initial_state_when_split_id,
                  jsonb_build_object('name', s.name, 'kind', s.kind, 'description', s.description, 'priority', s.priority,
                                     'is_active', s.is_active, 'channels', s.channels, 'shipping', s.shipping,
                                     'payments', s.payments, 'default_location', l.erp_code,
                                     'initial_state_when_split', st.slug, 'splitting', s.splitting, 'waiting', s.waiting,
                                     'rules', s.rules) as "definition!: Json<Map<String, Value>>"
             from scenarios s join stock_locations l on l.id = s.default_location_id
             join states st on st.id = s.initial_state_when_split_id
            where $1::bigint[] is null or s.id = any($1)
            order by s.priority, s.id"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    let kept = rows.into_iter().map(|row| {
        Ok(Kept {
            id: row.id,
            version: row.version,
            definition: stored(&row.name, &row.definition)?,
            references: References {
                default_location_id: row.default_location_id,
                initial_state_when_split_id: row.initial_state_when_split_id,
            },
            is_installed: row.is_installed,
            created_date: row.created_date,
            modified_date: row.modified_date,
        })
    });
    kept.collect()
}

/// Whether there is such a scenario, or was.
///
/// # Errors
/// When the database fails.
pub async fn has_versions(connection: &mut PgConnection, id: i64) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from scenario_versions where scenario_id = $1) as "known!""#, id)
        .fetch_one(connection)
        .await
}

/// The active scenarios of both kinds in the planner's form, by priority.
///
/// # Errors
/// As [`load`].
pub async fn load_active(connection: &mut PgConnection) -> Result<Vec<Scenario>> {
    let kept = load(connection, None).await?;
    let active = kept.iter().filter(|kept| kept.definition.is_active);
    let scenario = |kept: &Kept| {
        let References { default_location_id, initial_state_when_split_id } = kept.references;
        kept.definition.scenario(kept.id, kept.version, default_location_id, initial_state_when_split_id)
    };
    Ok(active.map(scenario).collect())
}

/// Versions of scenarios in the planner's form, deleted ones too.
///
/// # Errors
/// As [`load`].
pub async fn load_versions(
    connection: &mut PgConnection,
    versions: &[(i64, i32)],
) -> Result<BTreeMap<(i64, i32), Scenario>> {
    let (ids, numbers): (Vec<i64>, Vec<i32>) = versions.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"select scenario_id, version, definition as "definition!: Json<Map<String, Value>>"
             from scenario_versions
            where (scenario_id, version) in (select * from unnest($1::bigint[], $2::integer[]))"#,
        &ids,
        &numbers
    )
    .fetch_all(connection)
    .await?;
    let mut scenarios = BTreeMap::new();
    for row in rows {
        let definition = stored(&format!("{} in version {}", row.scenario_id, row.version), &row.definition)?;
        // A plan does not depend on the location and state of packages without a place.
        let scenario = definition.scenario(row.scenario_id, row.version, 0, 0);
        scenarios.insert((row.scenario_id, row.version), scenario);
    }
    Ok(scenarios)
}

/// Finds the references of a definition.
///
/// # Errors
/// 400 for a reference that does not exist; when the database fails.
pub async fn resolve(connection: &mut PgConnection, definition: &Definition) -> Result<References> {
    let locations =
        sqlx::query!("select id, erp_code from stock_locations order by id").fetch_all(&mut *connection).await?;
    let states = sqlx::query!(
        "select id, entity, slug, final from states where entity in ('package', 'transfer') and retired_date is null"
    )
    .fetch_all(connection)
    .await?;
    let erp_codes: Vec<&str> = locations.iter().map(|row| row.erp_code.as_str()).collect();
    let of_packages = || states.iter().filter(|row| row.entity == "package");
    let slugs: Vec<(&str, bool)> = of_packages().map(|row| (row.slug.as_str(), row.r#final)).collect();
    let has_state = |entity: &str, slug: &str| states.iter().any(|row| row.entity == entity && row.slug == slug);
    let mut defects = definition.wrong_references(&erp_codes, &slugs);
    defects.extend(definition.wrong_transfers(has_state));
    let location = locations.iter().find(|row| row.erp_code == definition.default_location);
    let state = of_packages().find(|row| row.slug == definition.initial_state_when_split);
    match (location, state) {
        (Some(location), Some(state)) if defects.is_empty() => {
            Ok(References { default_location_id: location.id, initial_state_when_split_id: state.id })
        }
        _ => Err(reading::Defect::refusal(&defects).into()),
    }
}

/// Creates a scenario, or gives the one with this id a new version. The caller has announced the change.
///
/// # Errors
/// 400 if another scenario has the name; when the database fails.
pub async fn write(
    connection: &mut PgConnection,
    id: Option<i64>,
    definition: &Definition,
    references: References,
    author: Author,
) -> Result<i64> {
    let is_new = id.is_none();
    let row = sqlx::query!(
        "insert into scenarios (id, name, description, priority, is_active, channels, shipping, payments,
                                default_location_id, initial_state_when_split_id, splitting, rules, is_installed, kind, waiting)
         values (coalesce($1, nextval(pg_get_serial_sequence('scenarios', 'id'))), $2, $3, $4, $5, $6, $7, $8, $9, $10,
                 $11, $12, $13, $14, $15)
         on conflict (id) do update
            set name = excluded.name, description = excluded.description, priority = excluded.priority,
                is_active = excluded.is_active, channels = excluded.channels, shipping = excluded.shipping,
                payments = excluded.payments, default_location_id = excluded.default_location_id,
                initial_state_when_split_id = excluded.initial_state_when_split_id, splitting = excluded.splitting,
                rules = excluded.rules, kind = excluded.kind, waiting = excluded.waiting, version = scenarios.version + 1,
                is_installed = scenarios.is_installed or excluded.is_installed, modified_date = now()
         returning id, version",
        id,
        definition.name,
        definition.description,
        definition.priority,
        definition.is_active,
        &definition.channels,
        &definition.shipping,
        &definition.payments,
        references.default_location_id,
        references.initial_state_when_split_id,
        json!(definition.splitting),
        json!(definition.rules),
        author == Author::Files,
        definition.kind.as_str(),
        definition.waiting.as_str()
    )
    .fetch_one(&mut *connection)
    .await
    .on_constraint("scenarios_name_key", || {
        Refusal::field("name", format!("There is a scenario {} already.", definition.name))
    })?;
    let change = if is_new { "created" } else { "changed" };
    keep_version(connection, row.id, row.version, change, definition, author).await?;
    Ok(row.id)
}

/// Deletes a scenario. Its versions stay, for the plans that name them.
///
/// # Errors
/// When the database fails.
pub async fn remove(connection: &mut PgConnection, kept: &Kept, author: Author) -> Result<()> {
    sqlx::query!("delete from scenarios where id = $1", kept.id).execute(&mut *connection).await?;
    keep_version(connection, kept.id, kept.version + 1, "deleted", &kept.definition, author).await
}

async fn keep_version(
    connection: &mut PgConnection,
    id: i64,
    version: i32,
    change: &str,
    definition: &Definition,
    author: Author,
) -> Result<()> {
    sqlx::query!(
        "insert into scenario_versions (scenario_id, version, change, definition, user_id) values ($1, $2, $3, $4, $5)",
        id,
        version,
        change,
        Value::Object(definition.to_json()),
        author.user_id()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes the scenarios of the installation's files.
///
/// # Errors
/// When the database fails.
pub async fn install(connection: &mut PgConnection, wanted: &[(&Definition, References)]) -> Result<()> {
    let kept = load(connection, None).await?;
    for (definition, references) in wanted {
        match kept.iter().find(|kept| kept.definition.name == definition.name) {
            Some(same) if same.definition == **definition => {
                sqlx::query!("update scenarios set is_installed = true where id = $1 and not is_installed", same.id)
                    .execute(&mut *connection)
                    .await?;
            }
            other => {
                let id = other.map(|kept| kept.id);
                write(connection, id, definition, *references, Author::Files).await?;
            }
        }
    }
    let is_named = |kept: &Kept| wanted.iter().any(|(definition, _)| definition.name == kept.definition.name);
    for kept in kept.iter().filter(|kept| kept.is_installed && !is_named(kept)) {
        retire(connection, kept).await?;
    }
    Ok(())
}

/// A scenario that the files no longer have is deactivated. Whether plans name it is not looked up: that is work that
/// grows, and commands wait for this.
async fn retire(connection: &mut PgConnection, kept: &Kept) -> Result<()> {
    if kept.definition.is_active {
        let passive = Definition { is_active: false, ..kept.definition.clone() };
        write(connection, Some(kept.id), &passive, kept.references, Author::Files).await?;
    }
    // From now on REST decides it.
    sqlx::query!("update scenarios set is_installed = false where id = $1", kept.id).execute(connection).await?;
    Ok(())
}
