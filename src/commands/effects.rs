//! The effects of a dry run: everything that a command would change.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    consequences::{Consequences, ItemChange, PackageChange},
    transfer::consequences::{Derived, Laid},
};
use crate::{
    commands::transfer::changes::TransferChange, error::Result, packages::facts::Placement, scope::Scope,
    workflow::Workflow,
};

/// The changes of a command on a package.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageEffects {
    state: StateMove,
    stock_location: StockLocationMove,
    items: Vec<ItemEffect>,
    successors: Vec<SuccessorEffect>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    transfers: Vec<TransferEffect>,
    quota: Vec<QuotaEffect>,
    stock: Vec<StockEffect>,
    shipments: Vec<ShipmentEffect>,
    events: Vec<&'static str>,
}

/// The changes of a command on a transfer.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferEffects {
    state: StateMove,
    package: PackageEffect,
    transfers: Vec<TransferEffect>,
    successors: Vec<SuccessorEffect>,
    quota: Vec<QuotaEffect>,
    stock: Vec<StockEffect>,
    events: Vec<&'static str>,
}

/// A state before and after.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateMove {
    from: StateName,
    to: StateName,
}

/// A location before and after: their ids.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockLocationMove {
    from: i64,
    to: i64,
}

/// A state.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateName {
    id: i64,
    slug: String,
    enum_value: String,
}

/// An item that would get another state or place, or fewer units.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemEffect {
    package_item: i64,
    order_item: i64,
    state: StateMove,
    /// Its units, if some would leave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = UnitsMove, required = false)]
    quantity: Option<UnitsMove>,
}

/// Units before and after.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnitsMove {
    from: i64,
    to: i64,
}

/// A new package.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuccessorEffect {
    stock_location: i64,
    state: StateName,
    order_items: Vec<i64>,
    /// The units of each, in the same order.
    quantities: Vec<i64>,
}

/// A new transfer.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferEffect {
    source: i64,
    destination: i64,
    order_items: Vec<i64>,
    /// The units of each, in the same order.
    quantities: Vec<i64>,
}

/// The package of a transfer, as it would be.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageEffect {
    id: i64,
    state: StateMove,
    stock_location: StockLocationMove,
    items: Vec<ItemEffect>,
}

/// A location's open packages.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuotaEffect {
    stock_location: i64,
    delta: i16,
}

/// The stock of a SKU at a location.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockEffect {
    stock_location: i64,
    sku: String,
    quantity: i64,
    reserved: i64,
}

/// A shipment that would be created or changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShipmentEffect {
    cargo_company: i64,
    tracking_number: String,
    label: bool,
}

/// Shows the effects of a command to a user: of other locations only those that are in the scope.
#[derive(Debug, Clone, Copy)]
pub(super) struct EffectsView<'a> {
    pub(super) scope: &'a Scope,
    pub(super) workflow: &'a Workflow,
}

impl EffectsView<'_> {
    /// The effects of a command on a package. `before` is the package's present place.
    ///
    /// # Errors
    /// A fault when a state is not in the workflow.
    pub(super) fn of_package(self, before: Placement, laid: &Laid, derived: &Derived) -> Result<PackageEffects> {
        let own = &laid.packages[0];
        let seen = laid.packages.iter().filter(|package| self.scope.sees(package.after.stock_location_id));
        let shipments = seen.filter_map(|package| package.shipment.as_ref());
        Ok(PackageEffects {
            state: self.states(before.state_id, own.after.state_id)?,
            stock_location: StockLocationMove { from: before.stock_location_id, to: own.after.stock_location_id },
            items: self.items(laid.packages.iter().flat_map(|package| &package.items))?,
            successors: self.successors(&laid.packages)?,
            transfers: self.transfers(&laid.transfers),
            quota: self.quota(&derived.packages),
            stock: self.stock(&derived.packages),
            shipments: shipments
                .map(|shipment| ShipmentEffect {
                    cargo_company: shipment.cargo_company_id,
                    tracking_number: shipment.tracking_number.clone(),
                    label: shipment.labelled,
                })
                .collect(),
            events: events(derived),
        })
    }

    /// The effects of a command on a transfer. `before` is its state; `package` is the id and place of its package.
    ///
    /// # Errors
    /// A fault when a state is not in the workflow.
    pub(super) fn of_transfer(
        self,
        before: i64,
        (package_id, placement): (i64, Placement),
        laid: &Laid,
        derived: &Derived,
    ) -> Result<TransferEffects> {
        let own = laid.packages.first();
        let after = own.map_or(placement, |own| own.after);
        let is_seen = self.scope.sees(placement.stock_location_id);
        Ok(TransferEffects {
            state: self.states(before, laid.transfers[0].after)?,
            package: PackageEffect {
                id: package_id,
                state: self.states(placement.state_id, after.state_id)?,
                stock_location: StockLocationMove { from: placement.stock_location_id, to: after.stock_location_id },
                items: self.items(own.into_iter().filter(|_| is_seen).flat_map(|own| &own.items))?,
            },
            transfers: self.transfers(&laid.transfers),
            successors: self.successors(&laid.packages)?,
            quota: self.quota(&derived.packages),
            stock: self.stock(&derived.packages),
            events: events(derived),
        })
    }

    fn state(self, id: i64) -> Result<StateName> {
        let state = self.workflow.state(id)?;
        Ok(StateName { id: state.id, slug: state.slug.clone(), enum_value: state.enum_value.clone() })
    }

    fn states(self, from: i64, to: i64) -> Result<StateMove> {
        Ok(StateMove { from: self.state(from)?, to: self.state(to)? })
    }

    /// The items that change.
    fn items<'i>(self, items: impl Iterator<Item = &'i ItemChange>) -> Result<Vec<ItemEffect>> {
        let mut effects = Vec::new();
        for item in items {
            if let (Some(package_item), Some(before)) = (item.id, item.before)
                && (before != item.after || item.cut_from.is_some())
            {
                let state = self.states(before.state_id, item.after.state_id)?;
                let quantity = item.cut_from.map(|from| UnitsMove { from, to: item.quantity });
                effects.push(ItemEffect { package_item, order_item: item.order_item_id, state, quantity });
            }
        }
        Ok(effects)
    }

    fn successors(self, packages: &[PackageChange]) -> Result<Vec<SuccessorEffect>> {
        let begun = packages.iter().filter(|package| package.id.is_none());
        begun
            .filter(|package| self.scope.sees(package.after.stock_location_id))
            .map(|package| {
                Ok(SuccessorEffect {
                    stock_location: package.after.stock_location_id,
                    state: self.state(package.after.state_id)?,
                    order_items: package.items.iter().map(|item| item.order_item_id).collect(),
                    quantities: package.items.iter().map(|item| item.quantity).collect(),
                })
            })
            .collect()
    }

    /// The new transfers. Either end sees one.
    fn transfers(self, transfers: &[TransferChange]) -> Vec<TransferEffect> {
        let begun = transfers.iter().filter(|transfer| transfer.id.is_none());
        begun
            .filter(|it| self.scope.sees(it.source_location_id) || self.scope.sees(it.destination_location_id))
            .map(|transfer| TransferEffect {
                source: transfer.source_location_id,
                destination: transfer.destination_location_id,
                order_items: transfer.items.iter().map(|item| item.order_item_id).collect(),
                quantities: transfer.items.iter().map(|item| item.quantity).collect(),
            })
            .collect()
    }

    fn quota(self, consequences: &Consequences) -> Vec<QuotaEffect> {
        let deltas = consequences.quota.iter().filter(|quota| self.scope.sees(quota.stock_location_id));
        deltas.map(|quota| QuotaEffect { stock_location: quota.stock_location_id, delta: quota.delta }).collect()
    }

    fn stock(self, consequences: &Consequences) -> Vec<StockEffect> {
        let deltas = consequences.stock.iter().filter(|((_, stock_location), _)| self.scope.sees(*stock_location));
        deltas
            .map(|((sku, stock_location), delta)| StockEffect {
                stock_location: *stock_location,
                sku: sku.clone(),
                quantity: delta.quantity,
                reserved: delta.reserved,
            })
            .collect()
    }
}

fn events(derived: &Derived) -> Vec<&'static str> {
    let of_packages = derived.packages.events.iter().map(|(_, event)| *event);
    of_packages.chain(derived.transfers.events.iter().map(|(_, event)| *event)).collect()
}
