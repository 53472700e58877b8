//! `GET /packages/`, `/packages/short/`, `/packages/package-items/`, `/packages/{id}/`.

use axum::{http::HeaderMap, response::Response};
use sqlx::postgres::PgRow;

use crate::{
    api::{
        conditions,
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
/// is allowed or why not. `ETag` names its version for `If-Match` of a command; a reader who sends it as `If-None-Match` gets
/// 304 as long as nothing has changed.
#[utoipa::path(get, path = "/api/v1/oms/packages/{id}/", tag = "Packages", operation_id = "getPackage",
    params(("id" = i64, Path, description = "The package's id.", example = 1), ("explain" = Option<String>, Query, description = "`commands`: add why each transition is allowed or not."), ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what the reader has.")),
    responses((status = 200, description = "The package", body = PackageView, headers(("ETag" = String, description = "Its version, and a digest of what is shown."))), (status = 304, description = "It is as the reader has it", headers(("ETag" = String)))))]
pub(super) async fn detail(door: Limited, Id(id): Id, page: Page, headers: HeaderMap) -> Result<Response> {
    page.no_list()?;
    let loaded = door.app.loader.load(id, door.app.addresses(page.base_url()), door.scope.clone()).await?;
    let loaded = loaded.ok_or_else(Refusal::not_found)?;
    match page.get("explain") {
        None => conditions::answer(&headers, loaded.version, loaded.body),
        Some("commands") => {
            let found = view::load(&mut *door.app.pool.acquire().await?, &door.app.catalog_cache, &[id]).await?.pop();
            let seen = found.filter(|package| door.scope.sees(package.stock_location_id));
            let mut package = seen.ok_or_else(Refusal::not_found)?;
            package.show_documents(&door.app.addresses(page.base_url()));
            package.restrict(&door.scope);
            package.explanation =
                Some(explain::<Packages>(&door.app.pool, &door.app.catalog_cache, &door.caller(), id).await?);
            conditions::answer_json(&headers, package.version, &package)
        }
        Some(other) => Err(Refusal::field("explain", format!("{other} cannot be explained; use commands.")).into()),
    }
}
