//! Plans a package's items again, for commands that do: one function, in the command's own transaction.

use std::collections::BTreeSet;

use crate::{
    commands::{
        changes::{Answer, Changes, Successor, Taking},
        command::Context,
    },
    error::{NO_SCENARIO, Refusal},
    packages::facts::ItemFacts,
    planning::{
        Line,
        plan::{Parcel, Plan},
    },
    workflow::{OUT_OF_STOCK, WAITING},
};

/// Plans some of the package's items. `exclusions` are (order item, location) pairs that are excluded from now on.
pub(super) fn plan(context: &Context<'_>, items: &[&ItemFacts], exclusions: &[(i64, i64)]) -> Result<Plan, Refusal> {
    let lines: Vec<Line> = items
        .iter()
        .map(|item| Line { order_item_id: item.order_item_id, sku: item.sku.clone(), quantity: item.quantity })
        .collect();
    context.supply.and_then(|supply| supply.plan(&lines, exclusions)).ok_or_else(|| {
        let number = &context.facts.number;
        Refusal::rule(NO_SCENARIO, format!("No distribution scenario fits the order of package {number}."))
    })
}

/// The scenario's default location, for items without a place.
pub(super) fn default_location_id(context: &Context<'_>) -> i64 {
    let scenario = context.supply.and_then(|supply| supply.scenario.as_ref());
    scenario.map_or(context.facts.stock_location_id, |scenario| scenario.default_location_id)
}

/// A parcel of a plan as a new package with items of this one.
pub(super) fn successor(context: &Context<'_>, parcel: &Parcel, state_id: i64, taking: Taking) -> Successor {
    Successor {
        stock_location_id: parcel.stock_location_id,
        state_id,
        package_item_ids: item_ids(context, &parcel.order_item_ids),
        taking,
        bound_by_quota: parcel.bound_by_quota,
    }
}

/// This package's items for those order items.
pub(super) fn item_ids(context: &Context<'_>, order_item_ids: &[i64]) -> Vec<i64> {
    let items = context.facts.items.iter();
    items.filter(|item| order_item_ids.contains(&item.order_item_id)).map(|item| item.id).collect()
}

/// The order items that the plan placed by their stock.
pub(super) fn stock_bound_items(plan: &Plan) -> BTreeSet<i64> {
    plan.parcels.iter().flat_map(|parcel| parcel.stock_bound_item_ids.iter().copied()).collect()
}

/// The location with most items; among equals, the first by priority.
pub(super) fn busiest<'p>(context: &Context<'_>, parcels: &'p [Parcel]) -> Option<&'p Parcel> {
    let priority = |parcel: &Parcel| {
        let location = context.catalog.locations.get(&parcel.stock_location_id);
        (location.map_or(i32::MAX, |location| location.priority), parcel.stock_location_id)
    };
    parcels.iter().min_by_key(|parcel| (std::cmp::Reverse(parcel.order_item_ids.len()), priority(parcel)))
}

/// Plans items again at other locations. They move to new packages; those without a place to an out-of-stock package at
/// the default location. The answer names the location with most of them.
pub(super) fn send_away(
    context: &Context<'_>,
    package_item_ids: &[i64],
    taking: Taking,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    let package = context.facts;
    let items = package.items.iter().filter(|item| package_item_ids.contains(&item.id));
    let exclusions = items.map(|item| (item.order_item_id, package.stock_location_id)).collect();
    send(context, package_item_ids, exclusions, taking, changes)
}

/// Plans items again, possibly at this location. They move to new packages; those without a place to an out-of-stock
/// package at the default location. The answer names the location with most of them.
pub(super) fn send(
    context: &Context<'_>,
    package_item_ids: &[i64],
    exclusions: Vec<(i64, i64)>,
    taking: Taking,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    let items: Vec<&ItemFacts> =
        context.facts.items.iter().filter(|item| package_item_ids.contains(&item.id)).collect();
    let plan = plan(context, &items, &exclusions)?;
    let waiting = context.state_id(WAITING)?;
    changes.successors = plan.parcels.iter().map(|parcel| successor(context, parcel, waiting, taking)).collect();
    changes.successors.extend(leftover(context, &plan, taking)?);
    if let Some(parcel) = busiest(context, &plan.parcels) {
        changes.answer = Answer::Package { stock_location_id: parcel.stock_location_id };
    }
    changes.exclusions = exclusions;
    changes.stock_bound_items = stock_bound_items(&plan);
    changes.trace = Some(plan.trace);
    Ok(())
}

/// The package for items without a place.
pub(super) fn leftover(context: &Context<'_>, plan: &Plan, taking: Taking) -> Result<Option<Successor>, Refusal> {
    if plan.unplaced.is_empty() {
        return Ok(None);
    }
    Ok(Some(Successor {
        stock_location_id: default_location_id(context),
        state_id: context.state_id(OUT_OF_STOCK)?,
        package_item_ids: item_ids(context, &plan.unplaced),
        taking,
        bound_by_quota: false,
    }))
}
