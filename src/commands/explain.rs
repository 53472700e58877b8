//! Which commands an object allows now, and the refusal that each of the others would meet.

use http::StatusCode;
use serde_json::{Map, Value, json};
use sqlx::PgPool;

use super::{Background, Context, Input, Subject};
use crate::{
    auth::Caller,
    catalog::{Catalog, CatalogCache},
    db,
    error::{Refusal, Result},
    kinds::Lookup,
    planning::Supply,
    workflow::Transition,
};

/// A row for every transition of the subject's entity.
///
/// # Errors
/// 404 where there is no such object; when the database fails.
pub async fn explain<S: Subject>(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    caller: &Caller,
    id: i64,
) -> Result<Vec<Value>> {
    // The very facts and rules that a command would meet, in a transaction that is taken back.
    let mut transaction = pool.begin_with(db::BEGIN_UNDER_INSTALLATION).await?;
    let locked = S::lock(&mut transaction, &[id]).await?;
    let facts = locked.by_id.get(&id).ok_or_else(Refusal::not_found)?;
    let catalog = catalog_cache.refresh(&mut transaction).await?;
    let supply = S::supply(&mut transaction, &catalog, facts, false).await?;
    let lookups = [Lookup::StateBefore, Lookup::DenialReasons, Lookup::Products];
    let background = S::background(&mut transaction, &lookups, facts, Input(&Map::new())).await?;
    transaction.rollback().await?;
    let rows = catalog.workflow.transitions(S::ENTITY).map(|transition| {
        let refusal = refusal::<S>(&catalog, caller, facts, transition, (&supply, &background));
        json!({
            "transition": transition.id,
            "slug": transition.slug,
            "command": transition.kind.identifier,
            "allowed": refusal.is_none(),
            "refusal": refusal.as_ref().map(Refusal::body),
        })
    });
    Ok(rows.collect())
}

/// Why the transition could not be run now. Commands that require parameters are judged as far as one can without them:
/// everything but the parameters and what depends on them.
fn refusal<S: Subject>(
    catalog: &Catalog,
    caller: &Caller,
    facts: &S::Facts,
    transition: &Transition,
    (supply, background): (&Supply, &Background),
) -> Option<Refusal> {
    let state_id = S::state_id(facts);
    if let Err(refusal) = catalog.workflow.resolve(S::ENTITY, Some(transition.id), None, caller.role, state_id) {
        return Some(refusal);
    }
    if transition.kind.requires_parameters() {
        return None;
    }
    let nothing = Map::new();
    let input = Input(&nothing);
    let refused = S::decide(&Context { catalog, transition, facts, input, supply: Some(supply), background });
    // A fault of parameters says only that there are none.
    refused.err().filter(|refusal| refusal.status != StatusCode::BAD_REQUEST)
}
