//! Derives the consequences of a change of state or place: quota, stock, reservations, the log, events. Pure.
//!
//! A package's effect on its location's quota is a function of its state; an item's effect on its location's stock is a
//! function of its package's state and its own. So each delta is `effect(after) - effect(before)`, in this one file,
//! for commands and for new orders.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};

use crate::{
    cause::Cause,
    commands::changes::{Changes, Part, Record, ShipmentChange, Successor, Taking},
    error::Result,
    kinds::Plans,
    packages::facts::{Documents, ItemFacts, PackageFacts, Placement},
    workflow::{Holding, State, Transition, Workflow},
};

/// One package before and after.
#[derive(Debug, Clone)]
pub struct PackageChange {
    /// None for a new package.
    pub id: Option<i64>,
    /// Its order.
    pub order_id: i64,
    /// None for a new package.
    pub before: Option<Placement>,
    /// Its place and state after.
    pub after: Placement,
    /// The transition; none for a new package.
    pub transition_id: Option<i64>,
    /// The package whose items it takes over.
    pub replaces: Option<i64>,
    /// The sequence number of its latest event before.
    pub event_sequence: i64,
    /// Its version before. It must be unchanged when this is written.
    pub version: i64,
    /// Its items after the change.
    pub items: Vec<ItemChange>,
    /// The new shipment, if it changes.
    pub shipment: Option<ShipmentChange>,
    /// Its shipment and its invoice before.
    pub documents: Documents,
    /// True if its place is valid only while the location has quota left.
    pub bound_by_quota: bool,
    /// The user.
    pub user_id: Option<i64>,
    /// The request; none: the server does it by itself.
    pub cause: Option<Arc<Cause>>,
    /// Records to write besides; none for a new package.
    pub record: Option<Record>,
    /// The command's own event type, besides those of the states.
    pub event: Option<&'static str>,
}

/// One item before and after.
#[derive(Debug, Clone)]
pub struct ItemChange {
    /// None for a new item.
    pub id: Option<i64>,
    /// The order's line.
    pub order_item_id: i64,
    /// The SKU.
    pub sku: String,
    /// The number of units.
    pub quantity: i64,
    /// The units that it had, if others leave it as items of their own.
    pub cut_from: Option<i64>,
    /// The item that a new one was a part of.
    pub part_of: Option<i64>,
    /// Units of it that new packages take over as new items; it keeps them as history.
    pub passed_on: i64,
    /// Where its units were; none for a new item that is not a part of another.
    pub before: Option<Placement>,
    /// Its place and state after.
    pub after: Placement,
    /// True if its place is valid only with enough available stock.
    pub bound_by_stock: bool,
    /// True if it had a reservation before.
    pub was_reserved: bool,
    /// Whether it has one after, if its state waits.
    pub reserving: Reserving,
    /// The SKU before, if its product is replaced.
    pub replaces_sku: Option<String>,
    /// The date of its last change before; none for a new item.
    pub modified_date: Option<DateTime<Utc>>,
    /// The package that it leaves for this one.
    pub leaves: Option<i64>,
}

/// Whether a waiting item has a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserving {
    /// An item that begins to wait has one; an item that continues to wait without one does not get one by moving.
    AsBefore,
    /// Yes: its place was planned.
    Anew,
    /// No: its package gives up its reservations.
    Never,
}

impl Reserving {
    /// For the items of the package itself.
    fn of(transition: &Transition, changes: &Changes) -> Self {
        if changes.releases_reservations {
            Self::Never
        } else if transition.kind.plans == Plans::Always {
            Self::Anew
        } else {
            Self::AsBefore
        }
    }
}

/// A change of a location's quota by one package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaDelta {
    /// Index of the [`PackageChange`].
    pub package: usize,
    /// The location.
    pub stock_location_id: i64,
    /// +1 or -1.
    pub delta: i16,
}

/// A change of the stock of a SKU at a location, by all changes in one transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StockDelta {
    /// Change of the units on the shelf.
    pub quantity: i64,
    /// Change of the reserved units.
    pub reserved: i64,
    /// True if some of the reserved units need available stock.
    pub bound: bool,
    /// Units that are reserved with or without stock.
    pub unbound: i64,
}

/// All consequences of some package changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consequences {
    /// One per package and location, in the order of the packages.
    pub quota: Vec<QuotaDelta>,
    /// By (SKU, location), the order in which rows are locked.
    pub stock: BTreeMap<(String, i64), StockDelta>,
    /// (package, item) indexes of new reservations.
    pub reserve: Vec<(usize, usize)>,
    /// Package item ids of reservations that end.
    pub release: Vec<i64>,
    /// (package index, event type), in order.
    pub events: Vec<(usize, &'static str)>,
    /// Indexes of packages whose items now wait without reservations.
    pub released: Vec<usize>,
    /// Indexes of packages whose items waited without reservations and have them again.
    pub renewed: Vec<usize>,
    /// Indexes of packages that wait for a place, or did.
    pub waiting: Vec<usize>,
}

/// Turns a command's decision into package changes: the package itself first, then its successors.
#[must_use]
pub fn lay_out(package: &PackageFacts, transition: &Transition, changes: &Changes, user_id: i64) -> Vec<PackageChange> {
    let after = Placement { state_id: changes.state_id, stock_location_id: changes.stock_location_id };
    let reserving = Reserving::of(transition, changes);
    let kept = |item: &ItemFacts| item.quantity - taken(changes, item.id, Taking::Move);
    let own_items = package.items.iter().filter(|item| kept(item) > 0).map(|item| ItemChange {
        id: Some(item.id),
        order_item_id: item.order_item_id,
        sku: changes.replacements.get(&item.id).unwrap_or(&item.sku).clone(),
        quantity: kept(item),
        cut_from: Some(item.quantity).filter(|units| *units != kept(item)),
        part_of: None,
        passed_on: taken(changes, item.id, Taking::Copy),
        before: Some(package.item_placement(item)),
        after: Placement { state_id: *changes.item_states.get(&item.id).unwrap_or(&changes.state_id), ..after },
        bound_by_stock: changes.stock_bound_items.contains(&(after.stock_location_id, item.order_item_id)),
        was_reserved: item.is_reserved,
        reserving,
        replaces_sku: changes.replacements.contains_key(&item.id).then(|| item.sku.clone()),
        modified_date: Some(item.modified_date),
        leaves: None,
    });
    let own = PackageChange {
        id: Some(package.id),
        order_id: package.order_id,
        before: Some(package.placement()),
        after,
        transition_id: Some(transition.id),
        replaces: None,
        event_sequence: package.event_sequence,
        version: package.version,
        items: own_items.collect(),
        shipment: changes.shipment.clone(),
        documents: package.documents.clone(),
        bound_by_quota: changes.bound_by_quota,
        user_id: Some(user_id),
        cause: None,
        record: (changes.record != Record::default()).then(|| changes.record.clone()),
        event: transition.kind.event,
    };
    let successors = changes.successors.iter().enumerate();
    let successors = successors.map(|(at, _)| lay_out_successor(package, changes, at, user_id));
    std::iter::once(own).chain(successors).collect()
}

/// The units of an item that successors take in this way.
fn taken(changes: &Changes, package_item_id: i64, taking: Taking) -> i64 {
    let successors = changes.successors.iter().filter(|successor| successor.taking == taking);
    let parts = successors.flat_map(|successor| &successor.items);
    parts.filter(|part| part.package_item_id == package_item_id).map(|part| part.quantity).sum()
}

fn lay_out_successor(package: &PackageFacts, changes: &Changes, at: usize, user_id: i64) -> PackageChange {
    let successor = &changes.successors[at];
    let after = Placement { state_id: successor.state_id, stock_location_id: successor.stock_location_id };
    let is_moved = successor.taking == Taking::Move;
    let item = |part: &Part| {
        let item = package.items.iter().find(|item| item.id == part.package_item_id)?;
        // An item that leaves as a whole goes to the first package that takes of it; what others take are new items.
        let leaves = is_moved && taken(changes, item.id, Taking::Move) == item.quantity;
        let takes = |other: &Successor| other.items.iter().any(|other| other.package_item_id == item.id);
        let id = Some(item.id).filter(|_| leaves && !changes.successors[..at].iter().any(takes));
        Some(ItemChange {
            id,
            order_item_id: item.order_item_id,
            sku: item.sku.clone(),
            quantity: part.quantity,
            cut_from: id.and(Some(item.quantity)).filter(|units| *units != part.quantity),
            part_of: Some(item.id).filter(|_| is_moved && id.is_none()),
            passed_on: 0,
            before: is_moved.then(|| package.item_placement(item)),
            after,
            bound_by_stock: changes.stock_bound_items.contains(&(after.stock_location_id, item.order_item_id)),
            was_reserved: is_moved && item.is_reserved,
            reserving: Reserving::Anew,
            replaces_sku: None,
            modified_date: id.and(Some(item.modified_date)),
            leaves: is_moved.then_some(package.id),
        })
    };
    let items = successor.items.iter().filter_map(item);
    PackageChange {
        id: None,
        order_id: package.order_id,
        before: None,
        after,
        transition_id: None,
        replaces: Some(package.id),
        event_sequence: 0,
        version: 0,
        items: items.collect(),
        shipment: None,
        documents: Documents::default(),
        bound_by_quota: successor.bound_by_quota,
        user_id: Some(user_id),
        cause: None,
        record: None,
        event: None,
    }
}

/// Derives all consequences.
///
/// # Errors
/// A fault if a state is not in the workflow.
pub fn derive(packages: &[PackageChange], workflow: &Workflow) -> Result<Consequences> {
    let mut consequences = Consequences::default();
    for (index, package) in packages.iter().enumerate() {
        derive_quota(&mut consequences, index, package, workflow)?;
        for (item_index, item) in package.items.iter().enumerate() {
            derive_stock(&mut consequences, (index, item_index), item, workflow)?;
        }
        derive_release(&mut consequences, index, package, workflow)?;
        derive_events(&mut consequences, index, package, workflow)?;
        let mut states = package.before.iter().chain([&package.after]).map(|placement| placement.state_id);
        if states.any(|state| workflow.state(state).is_ok_and(State::waits_for_place)) {
            consequences.waiting.push(index);
        }
    }
    consequences.stock.retain(|_, delta| delta.quantity != 0 || delta.reserved != 0);
    Ok(consequences)
}

fn derive_quota(out: &mut Consequences, package: usize, change: &PackageChange, workflow: &Workflow) -> Result<()> {
    let occupied = |placement: Placement| -> Result<Option<i64>> {
        Ok(workflow.state(placement.state_id)?.occupies_quota.then_some(placement.stock_location_id))
    };
    let before = change.before.map(occupied).transpose()?.flatten();
    let after = occupied(change.after)?;
    if before != after {
        out.quota.extend(before.map(|stock_location_id| QuotaDelta { package, stock_location_id, delta: -1 }));
        out.quota.extend(after.map(|stock_location_id| QuotaDelta { package, stock_location_id, delta: 1 }));
    }
    Ok(())
}

/// The stock that an item holds, and where: by its state and, if its state waits, by its reservation.
type Held = (Holding, i64);

/// The stock that an item holds before and after.
fn held(item: &ItemChange, workflow: &Workflow) -> Result<(Option<Held>, Held)> {
    let by_state = |placement: Placement| -> Result<Held> {
        Ok((workflow.state(placement.state_id)?.holding, placement.stock_location_id))
    };
    let with = |(holding, location): Held, is_reserved: bool| match holding {
        Holding::Reserved if !is_reserved => (Holding::Nothing, location),
        holding => (holding, location),
    };
    let before = item.before.map(by_state).transpose()?;
    let after = by_state(item.after)?;
    let is_reserved = match item.reserving {
        Reserving::Anew => true,
        Reserving::Never => false,
        Reserving::AsBefore => item.was_reserved || before != Some(after),
    };
    Ok((before.map(|before| with(before, item.was_reserved)), with(after, is_reserved)))
}

fn derive_stock(out: &mut Consequences, indexes: (usize, usize), item: &ItemChange, workflow: &Workflow) -> Result<()> {
    let (before, after) = held(item, workflow)?;
    if before == Some(after) && item.replaces_sku.is_none() && item.part_of.is_none() {
        // The row of its reservation has fewer units than before; those that left are of other items.
        if item.cut_from.is_some() && after.0 == Holding::Reserved {
            out.release.extend(item.id);
            out.reserve.push(indexes);
        }
        return Ok(());
    }
    if let Some((held, location)) = before {
        let sku = item.replaces_sku.as_ref().unwrap_or(&item.sku);
        let delta = out.stock.entry((sku.clone(), location)).or_default();
        match held {
            Holding::Reserved => delta.reserved -= item.quantity,
            Holding::Taken => delta.quantity += item.quantity,
            Holding::Nothing => {}
        }
        if held == Holding::Reserved {
            out.release.extend(item.id);
        }
    }
    let delta = out.stock.entry((item.sku.clone(), after.1)).or_default();
    match after.0 {
        Holding::Reserved => {
            delta.reserved += item.quantity;
            if item.bound_by_stock {
                delta.bound = true;
            } else {
                delta.unbound += item.quantity;
            }
            out.reserve.push(indexes);
        }
        Holding::Taken => delta.quantity -= item.quantity,
        Holding::Nothing => {}
    }
    Ok(())
}

/// Packages that continue to wait without reservations, and packages that have them again, are recorded: this is how
/// `oms verify` tells them from packages whose reservations were lost.
fn derive_release(out: &mut Consequences, package: usize, change: &PackageChange, workflow: &Workflow) -> Result<()> {
    for item in &change.items {
        let waits = |placement: Placement| -> Result<bool> {
            Ok(workflow.state(placement.state_id)?.holding == Holding::Reserved)
        };
        if !waits(item.after)? {
            continue;
        }
        match item.reserving {
            Reserving::Never => {
                out.released.push(package);
                return Ok(());
            }
            Reserving::Anew if !item.was_reserved && item.before.map(waits).transpose()? == Some(true) => {
                out.renewed.push(package);
                return Ok(());
            }
            Reserving::Anew | Reserving::AsBefore => {}
        }
    }
    Ok(())
}

fn derive_events(out: &mut Consequences, package: usize, change: &PackageChange, workflow: &Workflow) -> Result<()> {
    match change.before {
        None => out.events.push((package, "package.created")),
        Some(before) if before.state_id != change.after.state_id => {
            out.events.push((package, "package.status.transitioned"));
            out.events.extend(status_event(workflow.state(change.after.state_id)?).map(|event| (package, event)));
        }
        Some(_) => {}
    }
    let record = change.record.as_ref();
    out.events.extend(change.event.map(|event| (package, event)));
    let had_shipment = change.documents.shipment.is_some();
    if change.shipment.is_some() && !had_shipment {
        out.events.push((package, "shipment.created"));
    }
    if record.and_then(|record| record.shipment.as_ref()).is_some_and(|shipment| shipment.awb_number_is_new) {
        out.events.push((package, "package.shipment.awb_number"));
    }
    let has_moved = change.before.is_some_and(|before| before.state_id != change.after.state_id);
    if has_moved && (had_shipment || change.shipment.is_some()) {
        out.events.extend(shipment_event(workflow.state(change.after.state_id)?).map(|event| (package, event)));
    }
    Ok(())
}

/// The code of packages that were sent and came back.
const RETURNED: i64 = 950;

/// The event of a package's shipment when it reaches a state: a step of its delivery, or its end.
fn shipment_event(state: &State) -> Option<&'static str> {
    match state.number()? {
        600..800 | RETURNED => Some("shipment.status.updated"),
        900 => Some("shipment.cancelled"),
        _ => None,
    }
}

/// The event type of a state besides `package.status.transitioned`, when a package reaches it.
fn status_event(state: &State) -> Option<&'static str> {
    match state.number()? {
        500 => Some("package.status.packed"),
        600 => Some("package.status.shipped"),
        900 => Some("package.status.cancelled"),
        1100 => Some("package.status.packed_for_refund"),
        _ => None,
    }
}
