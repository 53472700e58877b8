//! `/api/v1/oms/scenarios/`.

use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::body::{OBJECT_BYTES, RequestBody},
    api::{
        declare::listed,
        extract::{Doors, Id, Limited, Operators, Unlimited},
        resource::{Read, Resource, Viewer, answer, detail, list},
    },
    app::App,
    db::{self, PgConnection},
    error::{Refusal, Result},
    page::{List, ListRow, Page, ids},
    reading::{self, Defect},
    scenarios::{
        Author, Kept,
        definition::Definition,
        has_versions,
        lists::{LIST, VersionView},
        load, remove, resolve, write,
    },
    scope::Visible,
    wire::{self, Timestamp},
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = |path, operation, text| Read { path, tag: "Scenarios", operation, text };
    OpenApiRouter::new()
        .routes(list::<ScenarioView>(&read("/api/v1/oms/scenarios/", "listScenarios", "Scenarios")))
        .routes(routes!(create))
        .routes(detail::<ScenarioView>(
            &read("/api/v1/oms/scenarios/{id}/", "getScenario", "One scenario"),
            "the scenario",
        ))
        .routes(routes!(replace, change, delete))
        .routes(listed::<VersionView, _>(routes!(versions), &<VersionView as ListRow>::LIST))
}

/// The keys that are shown and cannot be set; sent back, they are ignored.
const READ_ONLY: [&str; 5] = ["id", "version", "is_installed", "created_date", "modified_date"];

/// A scenario.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Scenario)]
pub(super) struct ScenarioView {
    id: i64,
    /// Grows with each change.
    version: i32,
    #[serde(flatten)]
    definition: Definition,
    /// True if the installation's files hold it, and so decide it when they are applied again.
    is_installed: bool,
    created_date: Timestamp,
    modified_date: Timestamp,
}

impl ScenarioView {
    fn of(kept: &Kept) -> Self {
        Self {
            id: kept.id,
            version: kept.version,
            definition: kept.definition.clone(),
            is_installed: kept.is_installed,
            created_date: Timestamp(kept.created_date),
            modified_date: Timestamp(kept.modified_date),
        }
    }
}

/// A scenario as it is sent: what [`Definition::read`] reads.
struct NewScenario;

impl utoipa::PartialSchema for NewScenario {
    fn schema() -> RefOr<Schema> {
        reading::with_sentences::<Definition>(reading::schema_as_written(|reader| drop(Definition::read(reader))))
    }
}

impl ToSchema for NewScenario {}

impl Resource for ScenarioView {
    const LIST: List = LIST;

    async fn load(_: &App, connection: &mut PgConnection, rows: &[PgRow], _: &Viewer) -> Result<Vec<Self>> {
        let ids = ids(rows)?;
        let kept = load(connection, Some(&ids)).await?;
        Ok(ids.iter().filter_map(|id| kept.iter().find(|kept| kept.id == *id)).map(Self::of).collect())
    }
}

async fn one(connection: &mut PgConnection, id: i64) -> Result<Kept> {
    let kept = load(connection, Some(&[id])).await?.pop();
    Ok(kept.ok_or_else(Refusal::not_found)?)
}

fn body_object(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    wire::check_media_type(headers)?;
    let mut object = match wire::parse(body)? {
        Value::Object(object) => object,
        other => {
            let given = wire::python_type(&other);
            return Err(Refusal::non_field(&format!("Invalid data. Expected a dictionary, but got {given}.")));
        }
    };
    object.retain(|key, _| !READ_ONLY.contains(&key.as_str()));
    Ok(object)
}

fn read_definition(object: &Map<String, Value>) -> Result<Definition, Refusal> {
    reading::whole(object, Definition::read).map_err(|defects| Defect::refusal(&defects))
}

/// Add a scenario
#[utoipa::path(post, path = "/api/v1/oms/scenarios/", tag = "Scenarios", operation_id = "createScenario",
    request_body(content = NewScenario, example = json!({
        "name": "Chilled goods", "priority": 10, "channels": ["web"], "default_location": "W-LEEDS",
        "initial_state_when_split": "waiting",
        "splitting": { "most_packages": 3, "kilometres_per_package": 40 },
        "rules": [
            { "name": "From an open store nearby",
              "conditions": ["SELECT_BY_STOCK", "SELECT_BY_QUOTA", "SELECT_BY_OPENING_HOURS",
                             { "condition": "SELECT_BY_DISTANCE", "kilometres": 25 }],
              "order_by": ["distance"] },
            { "name": "The rest", "conditions": ["SELECT_BY_STOCK"], "order_by": ["items_covered", "distance"] }] })),
    responses((status = 201, description = "The scenario", body = ScenarioView)))]
async fn create(door: Unlimited<Operators>, headers: HeaderMap, body: RequestBody<OBJECT_BYTES>) -> Result<Response> {
    let definition = read_definition(&body_object(&headers, &body)?)?;
    let mut transaction = door.begin().await?;
    // First, as when an installation is applied: else the two could wait for each other.
    db::announce(&mut transaction).await?;
    let references = resolve(&mut transaction, &definition).await?;
    let id = write(&mut transaction, None, &definition, references, Author::User(door.user_id)).await?;
    let kept = one(&mut transaction, id).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, axum::Json(ScenarioView::of(&kept))).into_response())
}

/// Replace a scenario
///
/// What is left out has its default.
#[utoipa::path(put, path = "/api/v1/oms/scenarios/{id}/", tag = "Scenarios", operation_id = "replaceScenario",
    params(("id" = i64, Path, description = "The scenario's id.", example = 1)),
    request_body(content = NewScenario, example = json!({
        "name": "Nearest first", "priority": 1, "default_location": "W-LEEDS",
        "initial_state_when_split": "waiting",
        "rules": [{ "name": "Nearest", "conditions": ["SELECT_BY_STOCK"], "order_by": ["distance"] }] })),
    responses((status = 200, description = "The scenario", body = ScenarioView)))]
async fn replace(
    door: Unlimited<Operators>,
    Id(id): Id,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<axum::Json<ScenarioView>> {
    let object = body_object(&headers, &body)?;
    set(&door, id, |_| object).await
}

/// Change a scenario
///
/// Only the keys that are sent are changed; `splitting` and `rules` are replaced whole.
#[utoipa::path(patch, path = "/api/v1/oms/scenarios/{id}/", tag = "Scenarios", operation_id = "updateScenario",
    params(("id" = i64, Path, description = "The scenario's id.", example = 1)),
    request_body(content = NewScenario, example = json!({ "is_active": false })),
    responses((status = 200, description = "The scenario", body = ScenarioView)))]
async fn change(
    door: Unlimited<Operators>,
    Id(id): Id,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<axum::Json<ScenarioView>> {
    let sent = body_object(&headers, &body)?;
    let merge = |before: &Definition| {
        let mut object = before.to_json();
        object.extend(sent);
        object
    };
    set(&door, id, merge).await
}

/// Gives a scenario a new version; what says the same as before stays as it is.
async fn set(
    door: &Unlimited<Operators>,
    id: i64,
    wanted: impl FnOnce(&Definition) -> Map<String, Value>,
) -> Result<axum::Json<ScenarioView>> {
    let mut transaction = door.begin().await?;
    // First, as when an installation is applied: else the two could wait for each other. It also makes writers take
    // turns, so that what is changed is what was read.
    db::announce(&mut transaction).await?;
    let before = one(&mut transaction, id).await?;
    let definition = read_definition(&wanted(&before.definition))?;
    if definition == before.definition {
        return Ok(axum::Json(ScenarioView::of(&before)));
    }
    let references = resolve(&mut transaction, &definition).await?;
    write(&mut transaction, Some(before.id), &definition, references, Author::User(door.user_id)).await?;
    let kept = one(&mut transaction, id).await?;
    transaction.commit().await?;
    Ok(axum::Json(ScenarioView::of(&kept)))
}

/// Delete a scenario
///
/// Its versions stay, for the plans that name them. One that the installation's files hold comes back when they are
/// applied again.
#[utoipa::path(delete, path = "/api/v1/oms/scenarios/{id}/", tag = "Scenarios", operation_id = "deleteScenario",
    params(("id" = i64, Path, description = "The scenario's id.", example = 1)),
    responses((status = 204, description = "It is gone")))]
async fn delete(door: Unlimited<Operators>, Id(id): Id) -> Result<StatusCode> {
    let mut transaction = door.begin().await?;
    db::announce(&mut transaction).await?;
    let kept = one(&mut transaction, id).await?;
    remove(&mut transaction, &kept, Author::User(door.user_id)).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A scenario's versions
///
/// Latest first; those of a scenario that was deleted too.
#[utoipa::path(get, path = "/api/v1/oms/scenarios/{id}/versions/", tag = "Scenarios",
    operation_id = "listScenarioVersions",
    params(("id" = i64, Path, description = "The scenario's id.", example = 1)))]
async fn versions(Limited { app, scope, .. }: Limited, Id(id): Id, page: Page) -> Result<Response> {
    if !has_versions(&mut *app.pool.acquire().await?, id).await? {
        return Err(Refusal::not_found().into());
    }
    let visible = Visible::below(id, &scope);
    answer::<VersionView>(&app, page, scope, &visible).await
}
