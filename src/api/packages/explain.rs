//! `?explain=commands`: for every transition of the table, allowed or the refusal it would meet.

use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    auth::Caller,
    commands::{explain::explain, package::subject::Packages},
    error::{Error, Result},
};

/// The package with `explanation` added.
pub(super) async fn commands(app: &App, caller: &Caller, id: i64, body: &[u8]) -> Result<Response> {
    let mut package: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| Error::Fault(format!("package JSON: {error}")))?;
    let rows = explain::<Packages>(&app.pool, &app.catalog_cache, caller, id).await?;
    package.insert("explanation".to_owned(), json!({ "commands": rows }));
    Ok(axum::Json(package).into_response())
}
