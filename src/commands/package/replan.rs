//! Plans a package's items again, for commands that do: one function, in the command's own transaction.

use std::collections::BTreeSet;

use crate::{
    commands::{
        changes::{Allotment, Answer, Changes, Part, Successor, Taking},
        command::Context,
    },
    error::{NO_SCENARIO, Refusal},
    packages::facts::ItemFacts,
    planning::{
        Line,
        plan::{Parcel, Plan, Units, units_of},
    },
    workflow::{OUT_OF_STOCK, WAITING},
};

/// Parts of the package's items, planned again.
pub(super) struct Replanned {
    /// The plan.
    pub plan: Plan,
    /// The units of each order item that were planned.
    pub whole: Units,
    /// The parts, for the packages of the plan.
    pub allotment: Allotment,
}

/// Plans some of the package's items. `exclusions` are (order item, location) pairs that are excluded from now on; `missing`
/// are parts that its own location has not found, and that are excluded there whatever becomes of the item's other units.
pub(super) fn plan(
    context: &Context<'_>,
    parts: &[Part],
    missing: &[Part],
    exclusions: &[(i64, i64)],
) -> Result<Replanned, Refusal> {
    let package = context.facts;
    let mut lines = Vec::with_capacity(parts.len());
    for part in parts {
        let Some(item) = package.items.iter().find(|item| item.id == part.package_item_id) else { continue };
        let not_found = missing.iter().find(|missing| missing.package_item_id == item.id);
        let not_found = not_found.map_or(0, |missing| missing.quantity.min(part.quantity));
        for (units, not_at) in [(part.quantity - not_found, None), (not_found, Some(package.stock_location_id))] {
            if units > 0 {
                lines.push(Line { not_at, ..Line::of(item.order_item_id, &item.sku, units) });
            }
        }
    }
    let plan = context.supply.and_then(|supply| supply.plan(&lines, exclusions)).ok_or_else(|| {
        let number = &package.number;
        Refusal::rule(NO_SCENARIO, format!("No distribution scenario fits the order of package {number}."))
    })?;
    let allotment = Allotment::new(package, parts);
    Ok(Replanned { plan, whole: allotment.whole(), allotment })
}

impl Replanned {
    /// A parcel of the plan as a new package with items of this one.
    pub(super) fn successor(&mut self, parcel: &Parcel, state_id: i64, taking: Taking) -> Successor {
        Successor {
            stock_location_id: parcel.stock_location_id,
            state_id,
            items: self.allotment.take(&parcel.units(&self.whole)),
            taking,
            bound_by_quota: parcel.bound_by_quota,
        }
    }

    /// The plan's parcels as new packages.
    pub(super) fn successors(&mut self, state_id: i64, taking: Taking) -> Vec<Successor> {
        let parcels = self.plan.parcels.clone();
        parcels.iter().map(|parcel| self.successor(parcel, state_id, taking)).collect()
    }

    /// The package for items without a place.
    pub(super) fn leftover(&mut self, context: &Context<'_>, taking: Taking) -> Result<Option<Successor>, Refusal> {
        if self.plan.unplaced.is_empty() {
            return Ok(None);
        }
        let units = units_of(&self.plan.unplaced, &self.plan.unplaced_parts, &self.whole);
        Ok(Some(Successor {
            stock_location_id: default_location_id(context),
            state_id: state_without_place(context, &self.plan)?,
            items: self.allotment.take(&units),
            taking,
            bound_by_quota: false,
        }))
    }
}

/// The state of a package for items without a place.
fn state_without_place(context: &Context<'_>, plan: &Plan) -> Result<i64, Refusal> {
    let state = context.catalog.workflow.state_without_place(plan.waits_for_opening());
    // A state that is not there is refused with what to do, as any other.
    state.map_or_else(|_| context.state_id(OUT_OF_STOCK), |state| Ok(state.id))
}

/// The scenario's default location, for items without a place.
pub(super) fn default_location_id(context: &Context<'_>) -> i64 {
    let scenario = context.supply.and_then(|supply| supply.scenario.as_ref());
    scenario.map_or(context.facts.stock_location_id, |scenario| scenario.default_location_id)
}

/// The (location, order item) pairs that the plan placed by their stock.
pub(super) fn stock_bound_items(plan: &Plan) -> BTreeSet<(i64, i64)> {
    let pairs = |parcel: &Parcel| {
        let location = parcel.stock_location_id;
        parcel.stock_bound_item_ids.iter().map(move |order_item_id| (location, *order_item_id)).collect::<Vec<_>>()
    };
    plan.parcels.iter().flat_map(pairs).collect()
}

/// The location with most items; among equals, the first by priority.
pub(super) fn busiest<'p>(context: &Context<'_>, parcels: &'p [Parcel]) -> Option<&'p Parcel> {
    let priority = |parcel: &Parcel| {
        let location = context.catalog.locations.get(&parcel.stock_location_id);
        (location.map_or(i32::MAX, |location| location.priority), parcel.stock_location_id)
    };
    parcels.iter().min_by_key(|parcel| (std::cmp::Reverse(parcel.order_item_ids.len()), priority(parcel)))
}

/// What leaves this location because parts of items are missing here: they, and where the scenario keeps the parts of a kit
/// together, all of the package's parts of their kits.
pub(super) fn leaving(context: &Context<'_>, missing: &[Part]) -> Vec<Part> {
    let items = &context.facts.items;
    let kit = |item: &ItemFacts| context.supply.and_then(|supply| supply.kits.get(&item.order_item_id).copied());
    let part = |item: &ItemFacts| missing.iter().copied().find(|part| part.package_item_id == item.id);
    let kits: BTreeSet<i64> = items.iter().filter(|item| part(item).is_some()).filter_map(kit).collect();
    let leaves = |item: &ItemFacts| {
        let whole = kit(item).filter(|kit| kits.contains(kit)).map(|_| Part::from(item));
        whole.or_else(|| part(item))
    };
    items.iter().filter_map(leaves).collect()
}

/// Plans what leaves again at other locations: this one has not found parts of it. It moves to new packages; what has no
/// place to an out-of-stock package at the default location. The answer names the location with most of it.
pub(super) fn send_away(
    context: &Context<'_>,
    leaving: &[Part],
    missing: Vec<Part>,
    taking: Taking,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    send(context, leaving, excluded(context, &missing), taking, changes)?;
    changes.missing = missing;
    Ok(())
}

/// The (order item, location) pairs of parts that this location has not found.
pub(super) fn excluded(context: &Context<'_>, missing: &[Part]) -> Vec<(i64, i64)> {
    let package = context.facts;
    let is_missing = |item: &&ItemFacts| missing.iter().any(|part| part.package_item_id == item.id);
    let items = package.items.iter().filter(is_missing);
    items.map(|item| (item.order_item_id, package.stock_location_id)).collect()
}

/// Plans parts of items again, possibly at this location. They move to new packages; those without a place to an
/// out-of-stock package at the default location. The answer names the location with most of them.
pub(super) fn send(
    context: &Context<'_>,
    parts: &[Part],
    exclusions: Vec<(i64, i64)>,
    taking: Taking,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    let mut replanned = plan(context, parts, &[], &exclusions)?;
    changes.successors = replanned.successors(context.state_id(WAITING)?, taking);
    changes.successors.extend(replanned.leftover(context, taking)?);
    let plan = replanned.plan;
    if let Some(parcel) = busiest(context, &plan.parcels) {
        changes.answer = Answer::Package { stock_location_id: parcel.stock_location_id };
    }
    changes.exclusions = exclusions;
    changes.stock_bound_items = stock_bound_items(&plan);
    changes.trace = Some(plan.trace);
    Ok(())
}
