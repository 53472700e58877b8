//! Decides whether the packages of a plan can be cancelled. This module only chooses a transition of the installation;
//! the dispatcher runs it under the package's lock, like any other command.

use std::{collections::BTreeMap, sync::Arc};

use http::StatusCode;
use serde_json::{Map, Value, json};

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

/// The first reason of a refusal.
pub(super) fn refusal(outcomes: &[Outcome]) -> Option<&str> {
    let refused = outcomes.iter().find(|outcome| outcome.word == "refused");
    refused.map(|outcome| outcome.reason.as_deref().unwrap_or_default())
}

/// What is to be cancelled of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    /// All of it.
    Order,
    /// These lines, each once.
    Lines(&'a [WantedLine]),
}

/// What is to be cancelled of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WantedLine {
    pub order_item_id: i64,
    pub units: WantedUnits,
}

/// How many units of a line are to be cancelled. Asked for once more, no more are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WantedUnits {
    All,
    /// So many, for the reason that is given: those that were cancelled for it before are among them.
    These(i64),
    /// As many as are in packages, but for so many that are left.
    AllBut(i64),
}

impl WantedUnits {
    /// Their number, if it was asked for by number.
    pub(super) fn these(self) -> Option<i64> {
        if let Self::These(units) = self { Some(units) } else { None }
    }

    /// How many are still to be cancelled of those in packages. `done`: cancelled before for the same reason.
    fn left_to_do(self, in_packages: i64, done: i64) -> i64 {
        match self {
            Self::All => in_packages,
            Self::These(units) => (units - done).clamp(0, in_packages),
            Self::AllBut(left) => (in_packages - left).max(0),
        }
    }
}

/// An open package of the order.
struct Affected {
    number: String,
    state_id: i64,
    items: Vec<Item>,
}

/// An item of such a package.
struct Item {
    id: i64,
    order_item_id: i64,
    units: i64,
    /// Units of its line that were cancelled before, for the same reason.
    done: i64,
    /// How many of its units are to be cancelled.
    cancelled: i64,
}

impl Affected {
    fn cancelled(&self) -> Vec<i64> {
        self.items.iter().filter(|item| item.cancelled > 0).map(|item| item.id).collect()
    }

    fn is_whole(&self) -> bool {
        self.items.iter().all(|item| item.cancelled == item.units)
    }

    /// The cancelled items as a command takes them.
    fn parts(&self) -> Value {
        let part = |item: &Item| match item.cancelled {
            units if units == item.units => json!(item.id),
            units => json!({ "id": item.id, "quantity": units }),
        };
        self.items.iter().filter(|item| item.cancelled > 0).map(part).collect()
    }
}

/// What can be done with a package in its state.
enum Step<'c> {
    Run(&'c Transition),
    /// A person already has to decide.
    Waits,
    Refused(String),
}

/// Cancels what is wanted of an order, if all of it can be. The reason stands in the log of each package, and tells what was
/// done before from what is still to be done.
pub(super) async fn cancel(
    canceller: Canceller<'_>,
    caller: &Arc<Caller>,
    order_id: i64,
    wanted: Wanted<'_>,
    reason: &str,
) -> Result<Vec<Outcome>> {
    let catalog = canceller.catalog_cache.up_to_date(&mut *canceller.pool.acquire().await?).await?;
    let mut done: BTreeMap<i64, Outcome> = BTreeMap::new();
    for round in 0..MOST_ROUNDS {
        let mut affected = open_packages(canceller.pool, &catalog, order_id, reason).await?;
        choose(&mut affected, wanted, |package| match step(&catalog, caller, package) {
            Step::Run(transition) if !waits(&catalog, transition) => 0,
            Step::Run(_) | Step::Waits => 1,
            Step::Refused(_) => 2,
        });
        affected.retain(|id, package| !package.cancelled().is_empty() && !done.contains_key(id));
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

/// The order's open packages and their items.
async fn open_packages(
    pool: &PgPool,
    catalog: &Catalog,
    order_id: i64,
    reason: &str,
) -> Result<BTreeMap<i64, Affected>> {
    let over = catalog.workflow.state_by_slug("package", CANCELLED)?.id;
    // In one statement: what was cancelled meanwhile is either done or still in a package.
    let rows = sqlx::query!(
        r#"select p.id, p.number, p.state_id, i.id as item_id, i.order_item_id, i.quantity,
                  coalesce((select sum(c.quantity - c.passed_on)
                              from package_items c join packages k on k.id = c.package_id
                             where c.order_item_id = i.order_item_id and k.state_id = $2
                               and exists (select from transition_logs l
                                             join transition_records r on r.transition_log_id = l.id
                                            where l.package_id = k.id and r.parameters->>'cancellation_reason' = $3)),
                           0)::bigint as "done!"
             from packages p join package_items i on i.package_id = p.id
            where p.order_id = $1 and p.state_id <> $2
            order by p.id, i.id"#,
        order_id,
        over,
        reason
    )
    .fetch_all(pool)
    .await?;
    let mut packages: BTreeMap<i64, Affected> = BTreeMap::new();
    for row in rows {
        let new = Affected { number: row.number, state_id: row.state_id, items: Vec::new() };
        let (id, order_item_id, units, done) = (row.item_id, row.order_item_id, row.quantity, row.done);
        packages.entry(row.id).or_insert(new).items.push(Item { id, order_item_id, units, done, cancelled: 0 });
    }
    Ok(packages)
}

/// Chooses the units that are cancelled. Of a line of which some units are, those of packages with the lowest rank go first.
fn choose(packages: &mut BTreeMap<i64, Affected>, wanted: Wanted<'_>, rank: impl Fn(&Affected) -> u8) {
    let mut ranked: Vec<(u8, &mut Affected)> = packages.values_mut().map(|package| (rank(package), package)).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut items: Vec<&mut Item> = ranked.into_iter().flat_map(|(_, package)| &mut package.items).collect();
    let Wanted::Lines(lines) = wanted else {
        for item in items {
            item.cancelled = item.units;
        }
        return;
    };
    for line in lines {
        let of_line = || items.iter().filter(|item| item.order_item_id == line.order_item_id);
        let in_packages = of_line().map(|item| item.units).sum();
        let mut left = line.units.left_to_do(in_packages, of_line().next().map_or(0, |item| item.done));
        for item in items.iter_mut().filter(|item| item.order_item_id == line.order_item_id) {
            item.cancelled = item.units.min(left);
            left -= item.cancelled;
        }
    }
}

/// True for a transition after which a person has to decide.
fn waits(catalog: &Catalog, transition: &Transition) -> bool {
    catalog.workflow.state(transition.destination_id).is_ok_and(|state| state.slug == CANCELLATION_WAITING)
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
            input.insert("package_items".to_owned(), package.parts());
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
        _ => Ok(outcome(if waits(catalog, transition) { "waiting" } else { "cancelled" }, None)),
    }
}
