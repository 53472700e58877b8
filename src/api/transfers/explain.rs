//! `?explain=commands`: for every transition of transfers, allowed or the refusal it would meet.

use serde_json::{Map, Value, json};

use crate::{
    app::App,
    auth::Caller,
    catalog::Catalog,
    commands::{
        Input,
        transfer::{self, dispatch},
    },
    db,
    error::{Refusal, Result},
    planning::Supply,
    workflow::Transition,
};

/// `{"commands": [...]}` for the key `explanation`.
pub(super) async fn commands(app: &App, caller: &Caller, id: i64) -> Result<Value> {
    // The very facts and rules a command would meet, in a transaction that is taken back.
    let mut transaction = app.pool.begin_with(db::BEGIN_UNDER_INSTALLATION).await?;
    let locked = dispatch::load(&mut transaction, id).await?.ok_or_else(Refusal::not_found)?;
    let catalog = app.catalog_cache.refresh(&mut transaction).await?;
    let supply = dispatch::supply(&mut transaction, &catalog, &locked, false).await?;
    transaction.rollback().await?;
    let rows: Vec<Value> = catalog
        .workflow
        .transitions("transfer")
        .map(|transition| {
            let refusal = refusal(&catalog, caller, &locked, transition, &supply);
            json!({
                "transition": transition.id,
                "slug": transition.slug,
                "command": transition.kind.identifier,
                "allowed": refusal.is_none(),
                "refusal": refusal.as_ref().map(Refusal::body),
            })
        })
        .collect();
    Ok(json!({ "commands": rows }))
}

/// Why the transition could not be run now. Commands with parameters they require are judged as far as one can without
/// them.
fn refusal(
    catalog: &Catalog,
    caller: &Caller,
    locked: &dispatch::Locked,
    transition: &Transition,
    supply: &Supply,
) -> Option<Refusal> {
    let state_id = locked.transfer().state_id;
    let resolved = catalog.workflow.resolve("transfer", Some(transition.id), None, caller.role, state_id);
    if let Err(refusal) = resolved {
        return Some(refusal);
    }
    if transition.kind.requires_parameters() {
        return None;
    }
    let nothing = Map::new();
    transfer::decide(&dispatch::context(catalog, transition, locked, Input(&nothing), Some(supply))).err()
}
