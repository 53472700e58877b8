//! `GET /packages/`, `/packages/short/`, `/packages/package-items/`, `/packages/{id}/`.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use sqlx::postgres::PgRow;

use crate::{
    api::{
        extract::{Id, Limited},
        resource::{Resource, Viewer},
    },
    app::App,
    commands::{explain::explain, package::subject::Packages},
    db::PgConnection,
    error::{Refusal, Result},
    packages::{
        items::{self, PackageItem},
        list::{self, PackageSummary},
        view::{self, PackageView},
    },
    page::{List, Page, ids},
};

impl Resource for PackageView {
    const LIST: List = list::LIST;

    async fn load(app: &App, connection: &mut PgConnection, rows: &[PgRow], viewer: &Viewer) -> Result<Vec<Self>> {
        let mut packages = view::load(connection, &app.catalog_cache, &ids(rows)?).await?;
        for package in &mut packages {
            package.show_documents(&viewer.addresses);
            package.restrict(&viewer.scope);
        }
        Ok(packages)
    }
}

impl Resource for PackageSummary {
    const LIST: List = list::LIST;

    async fn load(_: &App, connection: &mut PgConnection, rows: &[PgRow], _: &Viewer) -> Result<Vec<Self>> {
        list::load_summaries(connection, &ids(rows)?).await
    }
}

impl Resource for PackageItem {
    const LIST: List = items::LIST;

    async fn load(app: &App, connection: &mut PgConnection, rows: &[PgRow], viewer: &Viewer) -> Result<Vec<Self>> {
        items::load(connection, &app.catalog_cache, &ids(rows)?, &viewer.scope).await
    }
}

/// One package
///
/// With the commands that can be run on it now. `?explain=commands` adds, for every transition of the table, whether it
/// is allowed or why not.
#[utoipa::path(get, path = "/api/v1/oms/packages/{id}/", tag = "Packages", operation_id = "getPackage",
    params(("id" = i64, Path, description = "The package's id.", example = 1), ("explain" = Option<String>, Query, description = "`commands`: add why each transition is allowed or not.")),
    responses((status = 200, description = "The package", body = PackageView)))]
pub(super) async fn detail(door: Limited, Id(id): Id, page: Page) -> Result<Response> {
    page.no_list()?;
    let body = door.app.loader.load(id, door.app.addresses(page.base_url()), door.scope.clone()).await?;
    let body = body.ok_or_else(Refusal::not_found)?;
    match page.get("explain") {
        None => Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response()),
        Some("commands") => {
            let found = view::load(&mut *door.app.pool.acquire().await?, &door.app.catalog_cache, &[id]).await?.pop();
            let seen = found.filter(|package| door.scope.sees(package.stock_location_id));
            let mut package = seen.ok_or_else(Refusal::not_found)?;
            package.show_documents(&door.app.addresses(page.base_url()));
            package.restrict(&door.scope);
            package.explanation =
                Some(explain::<Packages>(&door.app.pool, &door.app.catalog_cache, &door.caller(), id).await?);
            Ok(axum::Json(package).into_response())
        }
        Some(other) => Err(Refusal::field("explain", format!("{other} cannot be explained; use commands.")).into()),
    }
}
