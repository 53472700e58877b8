//! `?explain=commands`: for every transition of the table, allowed or the refusal it would meet.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    auth::Caller,
    commands::{self, Background, Context, Input, background, dispatch},
    db,
    error::{Error, Refusal, Result},
    kinds::Lookup,
    packages::facts::{self, PackageFacts},
    planning::Supply,
    workflow::Transition,
};

/// The package with `explanation` added.
pub(super) async fn commands(app: &App, caller: &Caller, id: i64, body: &[u8]) -> Result<Response> {
    let mut package: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| Error::Fault(format!("package JSON: {error}")))?;
    // The very facts and rules a command would meet, in a transaction that is taken back.
    let mut transaction = app.pool.begin_with(db::BEGIN_UNDER_INSTALLATION).await?;
    let locked = facts::lock(&mut transaction, &[id]).await?;
    let facts = locked.packages.get(&id).ok_or_else(Refusal::not_found)?;
    let catalog = app.catalog_cache.refresh(&mut transaction).await?;
    let supply = dispatch::supply(&mut transaction, &catalog, facts, false).await?;
    let lookups = [Lookup::StateBefore, Lookup::DenialReasons, Lookup::Products];
    let background = background::load(&mut transaction, &lookups, facts, Input(&Map::new())).await?;
    transaction.rollback().await?;
    let rows: Vec<Value> = catalog
        .workflow
        .transitions("package")
        .map(|transition| {
            let refusal = refusal(&catalog, caller, facts, transition, (&supply, &background));
            json!({
                "transition": transition.id,
                "slug": transition.slug,
                "command": transition.kind.identifier,
                "allowed": refusal.is_none(),
                "refusal": refusal.as_ref().map(Refusal::body),
            })
        })
        .collect();
    package.insert("explanation".to_owned(), json!({ "commands": rows }));
    Ok(axum::Json(package).into_response())
}

/// Why the transition could not be run now. Commands with parameters of their own are judged as far as one can without
/// them: everything but the parameters and what depends on them.
fn refusal(
    catalog: &crate::catalog::Catalog,
    caller: &Caller,
    package: &PackageFacts,
    transition: &Transition,
    (supply, background): (&Supply, &Background),
) -> Option<Refusal> {
    let resolved = catalog.workflow.resolve("package", Some(transition.id), None, caller.role, package.state_id);
    if let Err(refusal) = resolved {
        return Some(refusal);
    }
    if transition.kind.requires_parameters() {
        return None;
    }
    let nothing = Map::new();
    let input = Input(&nothing);
    let refused = commands::decide(&Context { catalog, transition, package, input, supply: Some(supply), background });
    // A fault of parameters says only that there are none.
    refused.err().filter(|refusal| refusal.status != StatusCode::BAD_REQUEST)
}
