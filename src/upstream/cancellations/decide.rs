//! Decides whether the packages of a plan can be cancelled. This module only chooses a transition of the installation;
//! the dispatcher runs it under the package's lock, like any other command.

use std::{collections::BTreeMap, sync::Arc};

use http::StatusCode;
use serde_json::{Map, json};

use super::Canceller;
use crate::{
    auth::Caller,
    catalog::Catalog,
    cause,
    commands::{
        dispatch::{Request, Versions},
        outcome::Outcome as CommandOutcome,
    },
    db::PgPool,
    error::{Error, Refusal, Result},
    kinds::names::{CANCEL_PACKAGE, PKG_STATE_TRANSITION},
    workflow::{CANCELLED, Transition},
};

/// The state of a package whose cancellation a person must decide.
const CANCELLATION_WAITING: &str = "cancellation-waiting";
/// How often the packages are read again when one of them moves meanwhile.
const MOST_ROUNDS: usize = 5;

/// The result for a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub package_id: i64,
    pub package_item_ids: Vec<i64>,
    /// `cancelled`, `waiting` or `refused`.
    pub word: &'static str,
    pub reason: Option<String>,
}

/// A package with items to cancel.
struct Affected {
    number: String,
    state_id: i64,
    /// (item, true if it is to be cancelled)
    items: Vec<(i64, bool)>,
}

impl Affected {
    fn cancelled(&self) -> Vec<i64> {
        self.items.iter().filter(|(_, cancelled)| *cancelled).map(|(id, _)| *id).collect()
    }

    fn is_whole(&self) -> bool {
        self.items.iter().all(|(_, cancelled)| *cancelled)
    }
}

/// What can be done with a package in its state.
enum Step<'c> {
    Run(&'c Transition),
    /// A person already has to decide.
    Waits,
    Refused(String),
}

/// Cancels the items of a plan, if all of them can be. `order_item_ids`: none for the whole order.
pub(super) async fn cancel(
    canceller: Canceller<'_>,
    caller: &Arc<Caller>,
    order_id: i64,
    order_item_ids: Option<&[i64]>,
    reason: &str,
) -> Result<Vec<Outcome>> {
    let catalog = canceller.catalog_cache.up_to_date(&mut *canceller.pool.acquire().await?).await?;
    let mut done: BTreeMap<i64, Outcome> = BTreeMap::new();
    for round in 0..MOST_ROUNDS {
        let mut affected = affected(canceller.pool, &catalog, order_id, order_item_ids).await?;
        affected.retain(|id, _| !done.contains_key(id));
        if affected.is_empty() {
            break;
        }
        // If one cannot be cancelled, none is, as long as none has been.
        if round == 0 && affected.values().any(|package| matches!(step(&catalog, caller, package), Step::Refused(_))) {
            return Ok(refused(&catalog, caller, &affected));
        }
        for (id, package) in &affected {
            if let Some(outcome) = run_command(canceller, &catalog, caller, *id, package, reason).await? {
                done.insert(*id, outcome);
            }
        }
    }
    Ok(done.into_values().collect())
}

/// The order's open packages that hold some of its lines.
async fn affected(
    pool: &PgPool,
    catalog: &Catalog,
    order_id: i64,
    order_item_ids: Option<&[i64]>,
) -> Result<BTreeMap<i64, Affected>> {
    let over = catalog.workflow.state_by_slug("package", CANCELLED)?.id;
    let rows = sqlx::query!(
        r#"select p.id, p.number, p.state_id, i.id as item_id,
                  ($2::bigint[] is null or i.order_item_id = any($2)) as "cancelled!"
             from packages p join package_items i on i.package_id = p.id
            where p.order_id = $1 and p.state_id <> $3
            order by p.id, i.id"#,
        order_id,
        order_item_ids,
        over
    )
    .fetch_all(pool)
    .await?;
    let mut packages: BTreeMap<i64, Affected> = BTreeMap::new();
    for row in rows {
        let new = Affected { number: row.number, state_id: row.state_id, items: Vec::new() };
        packages.entry(row.id).or_insert(new).items.push((row.item_id, row.cancelled));
    }
    packages.retain(|_, package| package.items.iter().any(|(_, cancelled)| *cancelled));
    Ok(packages)
}

/// The transition that cancels a package: one that lets a person decide, if the installation has one from its state,
/// else one that ends the package.
fn step<'c>(catalog: &'c Catalog, caller: &Caller, package: &Affected) -> Step<'c> {
    let slug = |id: i64| catalog.workflow.state(id).map_or("", |state| state.slug.as_str());
    if slug(package.state_id) == CANCELLATION_WAITING {
        return Step::Waits;
    }
    let mut found: Vec<&Transition> = catalog
        .workflow
        .transitions("package")
        .filter(|transition| transition.source_id == package.state_id && transition.permits(caller.role))
        .filter(|transition| match transition.kind.identifier {
            CANCEL_PACKAGE => true,
            PKG_STATE_TRANSITION => slug(transition.destination_id) == CANCELLATION_WAITING,
            _ => false,
        })
        .collect();
    found.sort_by_key(|transition| (slug(transition.destination_id) != CANCELLATION_WAITING, transition.id));
    found.first().map_or_else(
        || {
            let state = catalog.workflow.state(package.state_id).map_or("another state", |state| state.name.as_str());
            Step::Refused(format!(
                "Package {} is in the state {state}, from which it cannot be cancelled any more.",
                package.number
            ))
        },
        |transition| Step::Run(transition),
    )
}

/// All are refused: those that cannot be cancelled with their own reason, the others with that of these.
fn refused(catalog: &Catalog, caller: &Caller, affected: &BTreeMap<i64, Affected>) -> Vec<Outcome> {
    let outcome = |(id, package): (&i64, &Affected)| Outcome {
        package_id: *id,
        package_item_ids: package.cancelled(),
        word: "refused",
        reason: Some(match step(catalog, caller, package) {
            Step::Refused(reason) => reason,
            _ => "Another package of the same plan cannot be cancelled any more.".to_owned(),
        }),
    };
    affected.iter().map(outcome).collect()
}

/// Runs the transition that cancels a package. None if the package moved meanwhile.
async fn run_command(
    canceller: Canceller<'_>,
    catalog: &Catalog,
    caller: &Arc<Caller>,
    package_id: i64,
    package: &Affected,
    reason: &str,
) -> Result<Option<Outcome>> {
    let outcome = |word: &'static str, reason: Option<String>| {
        Some(Outcome { package_id, package_item_ids: package.cancelled(), word, reason })
    };
    let transition = match step(catalog, caller, package) {
        Step::Run(transition) => transition,
        Step::Waits => return Ok(outcome("waiting", None)),
        Step::Refused(reason) => return Ok(outcome("refused", Some(reason))),
    };
    let mut input = Map::new();
    if transition.kind.identifier == CANCEL_PACKAGE {
        input.insert("cancellation_reason".to_owned(), json!(reason));
        if !package.is_whole() {
            input.insert("package_items".to_owned(), json!(package.cancelled()));
        }
    }
    let request = Request {
        id: package_id,
        transition: Some(transition.id),
        slug: None,
        input,
        caller: Arc::clone(caller),
        cause: cause::current(),
        key: None,
        versions: Versions::Any,
        dry_run: false,
    };
    match canceller.dispatcher.run(request).await? {
        // It moved meanwhile.
        CommandOutcome::Refused(refusal) if refusal == Refusal::not_allowed() => Ok(None),
        CommandOutcome::Refused(refusal) if refusal.status == StatusCode::NOT_FOUND => Err(Error::Refused(refusal)),
        CommandOutcome::Refused(refusal) => Ok(outcome("refused", Some(refusal.to_string()))),
        _ => {
            let waits = catalog.workflow.state(transition.destination_id)?.slug == CANCELLATION_WAITING;
            Ok(outcome(if waits { "waiting" } else { "cancelled" }, None))
        }
    }
}
