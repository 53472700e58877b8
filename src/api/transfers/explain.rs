//! `?explain=commands`: for every transition of transfers, allowed or the refusal it would meet.

use serde_json::{Value, json};

use crate::{
    app::App,
    auth::Caller,
    commands::{explain::explain, transfer::subject::Transfers},
    error::Result,
};

/// `{"commands": [...]}` for the key `explanation`.
pub(super) async fn commands(app: &App, caller: &Caller, id: i64) -> Result<Value> {
    let rows = explain::<Transfers>(&app.pool, &app.catalog_cache, caller, id).await?;
    Ok(json!({ "commands": rows }))
}
