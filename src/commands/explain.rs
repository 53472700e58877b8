//! Explains which commands an object allows now, and which refusals the others get.

use http::StatusCode;
use serde_json::Map;

use crate::{
    auth::Caller,
    catalog::{Catalog, CatalogCache},
    commands::{
        background::Background,
        command::Context,
        input::Input,
        subject::{self, Subject},
    },
    db::{self, PgPool},
    error::{Refusal, Result},
    kinds::Lookup,
    planning::Supply,
    workflow::{ExplainedCommand, Explanation, Transition},
};

/// A row for every transition of the entity.
///
/// # Errors
/// 404 if the object does not exist; when the database fails.
pub async fn explain<S: Subject>(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    caller: &Caller,
    id: i64,
) -> Result<Explanation> {
    // The same facts and rules as for a command, in a transaction that is rolled back.
    let mut transaction = pool.begin_with(db::BEGIN_UNDER_INSTALLATION).await?;
    // Planning its statements anew would take Postgres longer than all else.
    sqlx::raw_sql("set local plan_cache_mode = force_generic_plan").execute(&mut *transaction).await?;
    let locked = S::lock(&mut transaction, &[id]).await?;
    let facts = locked.by_id.get(&id).ok_or_else(Refusal::not_found)?;
    let catalog = catalog_cache.up_to_date(&mut transaction).await?;
    let supply = S::supply(&mut transaction, &catalog, facts, false).await?;
    let lookups = [Lookup::StateBefore, Lookup::DenialReasons, Lookup::Products];
    let background = S::background(&mut transaction, &lookups, facts, Input(&Map::new())).await?;
    transaction.rollback().await?;
    let commands = catalog.workflow.transitions(S::ENTITY).map(|transition| {
        let refusal = refusal::<S>(&catalog, caller, facts, transition, (&supply, &background));
        ExplainedCommand {
            transition: transition.id,
            slug: transition.slug.clone(),
            command: transition.kind.identifier,
            allowed: refusal.is_none(),
            refusal: refusal.as_ref().map(Refusal::body),
        }
    });
    Ok(Explanation { commands: commands.collect() })
}

/// The reason why the transition cannot be run now. Commands with required parameters are judged as far as possible:
/// everything except the parameters, and what depends on them.
fn refusal<S: Subject>(
    catalog: &Catalog,
    caller: &Caller,
    facts: &S::Facts,
    transition: &Transition,
    (supply, background): (&Supply, &Background),
) -> Option<Refusal> {
    if let Err(refusal) = subject::resolve::<S>(&catalog.workflow, (Some(transition.id), None), caller, facts) {
        return Some(refusal);
    }
    if transition.kind.requires_parameters() {
        return None;
    }
    let nothing = Map::new();
    let input = Input(&nothing);
    let (supply, scope) = (Some(supply), &caller.scope);
    let refused = S::decide(&Context { catalog, transition, facts, input, supply, background, scope });
    // A refusal of parameters only says that there are none.
    refused.err().filter(|refusal| refusal.status != StatusCode::BAD_REQUEST)
}
