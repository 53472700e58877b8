//! The statement that writes everything about packages that are there.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    super::{
        Documents,
        consequences::{Consequences, PackageChange},
    },
    CreatedItems,
};
use crate::{
    error::Result,
    packages::snapshot::{ItemSnapshot, PackageSnapshot},
};

/// The statement's arrays. Those of one field are as long as each other; an element of each is a row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    packages: Packages,
    items: Items,
    /// Items whose reservations end.
    released: Vec<i64>,
    reserved: Reserved,
    shipments: Shipments,
    events: Events,
    stock: Stock,
    quota: Quota,
}

#[derive(Debug, Default)]
struct Packages {
    ids: Vec<i64>,
    /// None for one that begins here: it is written already, but for its log and ledger.
    versions: Vec<Option<i64>>,
    states: Vec<i64>,
    locations: Vec<i64>,
    /// How many events it has.
    events: Vec<i64>,
    transitions: Vec<Option<i64>>,
    sources: Vec<Option<i64>>,
    users: Vec<Option<i64>>,
    /// Location that it ceases to occupy.
    left: Vec<Option<i64>>,
    /// Location that it begins to occupy.
    entered: Vec<Option<i64>>,
}

#[derive(Debug, Default)]
struct Items {
    ids: Vec<i64>,
    packages: Vec<i64>,
    states: Vec<i64>,
}

#[derive(Debug, Default)]
struct Reserved {
    items: Vec<i64>,
    locations: Vec<i64>,
    skus: Vec<String>,
    quantities: Vec<i64>,
}

/// Of packages that had none.
#[derive(Debug, Default)]
struct Shipments {
    packages: Vec<i64>,
    companies: Vec<i64>,
    tracking_numbers: Vec<String>,
    label_keys: Vec<Option<Uuid>>,
}

/// One a package that something happened to.
#[derive(Debug, Default)]
struct Events {
    packages: Vec<i64>,
    /// The number of the first of its types.
    sequences: Vec<i64>,
    /// Separated by spaces.
    types: Vec<String>,
    /// Where it was before; none for one that begins here.
    sources: Vec<Option<i64>>,
    locations: Vec<i64>,
    /// What it is then.
    snapshots: Vec<String>,
}

/// By (SKU, location), which is the order they are locked in.
#[derive(Debug, Default)]
struct Stock {
    skus: Vec<String>,
    locations: Vec<i64>,
    quantities: Vec<i64>,
    reserved: Vec<i64>,
    bound: Vec<bool>,
    unbound: Vec<i64>,
}

/// One a location, whatever the number of packages; by id, which is the order they are locked in.
#[derive(Debug, Default)]
struct Quota {
    locations: Vec<i64>,
    deltas: Vec<i64>,
    /// Whether part of it holds only while the location has quota left.
    bound: Vec<bool>,
    /// The part that holds anyway.
    unbound: Vec<i64>,
}

impl Rows {
    /// `ids`: of the packages, by index.
    pub(super) fn new(
        changes: &[PackageChange],
        consequences: &Consequences,
        ids: &[i64],
        created_items: &CreatedItems,
        documents: &[Documents],
    ) -> Result<Self> {
        let mut rows = Self { released: consequences.release.clone(), ..Self::default() };
        for ((change, id), documents) in changes.iter().zip(ids).zip(documents) {
            rows.add_package(change, *id, documents);
        }
        let mut types: Vec<Vec<&str>> = vec![Vec::new(); changes.len()];
        for (package, event) in &consequences.events {
            types[*package].push(event);
        }
        for (index, types) in types.iter().enumerate().filter(|(_, types)| !types.is_empty()) {
            rows.packages.events[index] = i64::try_from(types.len()).unwrap_or(i64::MAX);
            let id_of = |at: usize| changes[index].items[at].id.or_else(|| created_items.get(&(index, at)).copied());
            rows.add_event(&changes[index], ids[index], types, &snapshot(&changes[index], &documents[index], id_of))?;
        }
        for indexes in &consequences.reserve {
            let item = &changes[indexes.0].items[indexes.1];
            let Some(id) = item.id.or_else(|| created_items.get(indexes).copied()) else { continue };
            rows.reserved.items.push(id);
            rows.reserved.locations.push(item.after.stock_location_id);
            rows.reserved.skus.push(item.sku.clone());
            rows.reserved.quantities.push(item.quantity);
        }
        for ((sku, location), delta) in &consequences.stock {
            rows.stock.skus.push(sku.clone());
            rows.stock.locations.push(*location);
            rows.stock.quantities.push(delta.quantity);
            rows.stock.reserved.push(delta.reserved);
            rows.stock.bound.push(delta.bound);
            rows.stock.unbound.push(delta.unbound);
        }
        rows.add_quota(changes, consequences);
        Ok(rows)
    }

    fn add_event(&mut self, change: &PackageChange, id: i64, types: &[&str], snapshot: &PackageSnapshot) -> Result<()> {
        let events = &mut self.events;
        events.packages.push(id);
        events.sequences.push(change.event_sequence + 1);
        events.types.push(types.join(" "));
        events.sources.push(change.before.map(|before| before.stock_location_id));
        events.locations.push(change.after.stock_location_id);
        events.snapshots.push(snapshot.to_json()?);
        Ok(())
    }

    fn add_package(&mut self, change: &PackageChange, id: i64, documents: &Documents) {
        let packages = &mut self.packages;
        packages.ids.push(id);
        packages.versions.push(change.id.map(|_| change.version));
        packages.states.push(change.after.state_id);
        packages.locations.push(change.after.stock_location_id);
        packages.events.push(0);
        packages.transitions.push(change.transition_id);
        packages.sources.push(change.before.map(|before| before.state_id));
        packages.users.push(change.user_id);
        packages.left.push(None);
        packages.entered.push(None);
        for item in change.items.iter().filter(|item| change.id.is_none() || item.before != Some(item.after)) {
            let Some(item_id) = item.id else { continue };
            self.items.ids.push(item_id);
            self.items.packages.push(id);
            self.items.states.push(item.after.state_id);
        }
        if let Some(shipment) = change.shipment.as_ref().filter(|_| change.documents.shipment.is_none()) {
            self.shipments.packages.push(id);
            self.shipments.companies.push(shipment.cargo_company_id);
            self.shipments.tracking_numbers.push(shipment.tracking_number.clone());
            self.shipments.label_keys.push(documents.shipment.as_ref().and_then(|shipment| shipment.label_key));
        }
    }

    fn add_quota(&mut self, changes: &[PackageChange], consequences: &Consequences) {
        // Location: the sum, whether part of it is bound, and the part that is not.
        let mut deltas: BTreeMap<i64, (i64, bool, i64)> = BTreeMap::new();
        for change in &consequences.quota {
            let side = if change.delta < 0 { &mut self.packages.left } else { &mut self.packages.entered };
            side[change.package] = Some(change.stock_location_id);
            let delta = deltas.entry(change.stock_location_id).or_default();
            delta.0 += i64::from(change.delta);
            if changes[change.package].bound_by_quota {
                delta.1 |= change.delta > 0;
            } else {
                delta.2 += i64::from(change.delta.max(0));
            }
        }
        for (location, (delta, bound, unbound)) in deltas.into_iter().filter(|(_, (delta, ..))| *delta != 0) {
            self.quota.locations.push(location);
            self.quota.deltas.push(delta);
            self.quota.bound.push(bound);
            self.quota.unbound.push(unbound);
        }
    }

    /// Writes everything or nothing.
    ///
    /// # Errors
    /// [`Error::is_write_conflict`](crate::error::Error::is_write_conflict) when a package is not what was read, the
    /// installation has another version, or a limit would break. When the database fails.
    pub(super) async fn write(&self, connection: &mut PgConnection, installation_version: Option<i64>) -> Result<()> {
        let Self { packages, items, released, reserved, shipments, events, stock, quota } = self;
        let there = count(packages.versions.iter().flatten().count());
        sqlx::query_file!(
            "src/commands/apply/rows.sql",
            installation_version,
            &packages.ids,
            &packages.versions as &[Option<i64>],
            &packages.states,
            &packages.locations,
            &packages.events,
            &packages.transitions as &[Option<i64>],
            &packages.sources as &[Option<i64>],
            &packages.users as &[Option<i64>],
            &packages.left as &[Option<i64>],
            &packages.entered as &[Option<i64>],
            &items.ids,
            &items.packages,
            &items.states,
            released,
            &reserved.items,
            &reserved.locations,
            &reserved.skus,
            &reserved.quantities,
            &shipments.packages,
            &shipments.companies,
            &shipments.tracking_numbers,
            &shipments.label_keys as &[Option<Uuid>],
            &events.packages,
            &events.sequences,
            &events.types,
            &events.sources as &[Option<i64>],
            &events.locations,
            &events.snapshots,
            &stock.skus,
            &stock.locations,
            &stock.quantities,
            &stock.reserved,
            &stock.bound,
            &stock.unbound,
            &quota.locations,
            &quota.deltas,
            &quota.bound,
            &quota.unbound,
            there,
            there + count(items.ids.len() + stock.skus.len() + quota.locations.len())
        )
        .fetch_one(connection)
        .await?;
        Ok(())
    }
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// What a package is once its change is written. `id_of`: the id of its nth item.
fn snapshot(change: &PackageChange, documents: &Documents, id_of: impl Fn(usize) -> Option<i64>) -> PackageSnapshot {
    let items = change.items.iter().enumerate().filter_map(|(at, item)| {
        let is_as_before = item.before == Some(item.after);
        Some(ItemSnapshot {
            id: id_of(at)?,
            state_id: item.after.state_id,
            modified_date: item.modified_date.filter(|_| is_as_before),
        })
    });
    PackageSnapshot {
        state_id: change.after.state_id,
        stock_location_id: change.after.stock_location_id,
        items: items.collect(),
        documents: documents.clone(),
    }
}
