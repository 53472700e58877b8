//! The changes that a decision may make. Quota, stock, reservations, the log and events are not here: they are derived
//! ([`super::consequences`]).

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::{Map, Value};

use crate::{
    packages::facts::{ItemFacts, PackageFacts},
    planning::plan::{Trace, Units},
    secret::Secret,
};

/// The decision of a command.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The package's state after it; the same as before if the command does not move it.
    pub state_id: i64,
    /// The package's location after it.
    pub stock_location_id: i64,
    /// Items with another state than the package, by package item id.
    pub item_states: BTreeMap<i64, i64>,
    /// The new shipment, if the command makes or changes one.
    pub shipment: Option<ShipmentChange>,
    /// New packages that take over items of this one.
    pub successors: Vec<Successor>,
    /// (order item, location) pairs: this location could not serve this item and is excluded for it.
    pub exclusions: Vec<(i64, i64)>,
    /// What the location looked for and did not find.
    pub missing: Vec<Part>,
    /// Why each place was chosen, when items were planned again.
    pub trace: Option<Trace>,
    /// (location, order item) pairs whose new place is valid only with enough available stock, in this package or a
    /// successor.
    pub stock_bound_items: BTreeSet<(i64, i64)>,
    /// True if the package's new place is valid only while the location has quota left.
    pub bound_by_quota: bool,
    /// True if the items give up their reservations while the package continues to wait.
    pub releases_reservations: bool,
    /// Replaced products, by package item id: the new SKU.
    pub replacements: BTreeMap<i64, String>,
    /// Records to write besides.
    pub record: Record,
    /// The answer for the client.
    pub answer: Answer,
}

/// Records that a command writes besides its move; most commands have none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// Common parameters that differ from their documented defaults, and the command's own that it records, by name.
    pub parameters: Map<String, Value>,
    /// `remote_invoice_call` with its defaults. It holds secrets: it is stored but never shown.
    pub invoice_call: Option<Secret<Value>>,
    /// The invoice as given.
    pub invoice: Option<InvoiceChange>,
    /// Scanned barcodes, by order item id.
    pub barcodes: BTreeMap<i64, String>,
    /// Additional data of the shipment.
    pub shipment: Option<ShipmentRecord>,
}

/// The invoice of a package. A field that is not given stays unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvoiceChange {
    /// Its number.
    pub number: Option<String>,
    /// Its date.
    pub date: Option<NaiveDate>,
    /// The document: its type and its bytes.
    pub document: Option<(&'static str, Vec<u8>)>,
}

/// Additional data of a shipment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShipmentRecord {
    /// The carrier's number for tracking queries; none: unchanged.
    pub query_number: Option<String>,
    /// True if the label is made again: the old link then leads nowhere.
    pub renews_label: bool,
    /// True if the client says that the carrier's number has changed.
    pub awb_number_is_new: bool,
}

/// The shipment of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipmentChange {
    /// The carrier.
    pub cargo_company_id: i64,
    /// The carrier's tracking number.
    pub tracking_number: String,
    /// True if there is a label to print.
    pub labelled: bool,
}

/// Units of a package's item: all of them, or some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The item.
    pub package_item_id: i64,
    /// So many of its units, at least one.
    pub quantity: i64,
}

impl From<&ItemFacts> for Part {
    fn from(item: &ItemFacts) -> Self {
        Self { package_item_id: item.id, quantity: item.quantity }
    }
}

/// Parts of a package's items that are given out by order item, as plans name them.
#[derive(Debug, Clone)]
pub struct Allotment {
    /// (order item, part), by item.
    left: Vec<(i64, Part)>,
}

impl Allotment {
    /// What there is to give out.
    #[must_use]
    pub fn new(package: &PackageFacts, parts: &[Part]) -> Self {
        let of_part = |part: &Part| {
            let item = package.items.iter().find(|item| item.id == part.package_item_id)?;
            Some((item.order_item_id, *part))
        };
        Self { left: parts.iter().filter_map(of_part).collect() }
    }

    /// The units left of each order item.
    #[must_use]
    pub fn whole(&self) -> Units {
        let mut units = Units::new();
        for (order_item_id, part) in &self.left {
            *units.entry(*order_item_id).or_default() += part.quantity;
        }
        units
    }

    /// Gives out units of order items.
    pub fn take(&mut self, units: &Units) -> Vec<Part> {
        let mut taken = Vec::new();
        let mut units = units.clone();
        for (order_item_id, part) in &mut self.left {
            let Some(wanted) = units.get_mut(order_item_id) else { continue };
            let quantity = part.quantity.min(*wanted);
            if quantity > 0 {
                *wanted -= quantity;
                part.quantity -= quantity;
                taken.push(Part { quantity, ..*part });
            }
        }
        taken
    }
}

/// How a successor gets its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// They move out of this package, which continues without them.
    Move,
    /// This package ends and keeps them as history; the successor gets new items.
    Copy,
}

/// A new package for items of this one.
#[derive(Debug, Clone)]
pub struct Successor {
    /// The location that packs its items.
    pub stock_location_id: i64,
    /// Its first state.
    pub state_id: i64,
    /// What it takes of this package's items.
    pub items: Vec<Part>,
    /// How they are taken.
    pub taking: Taking,
    /// True if the place is valid only while the location has quota left.
    pub bound_by_quota: bool,
}

/// The answer of a successful command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 204, empty.
    Nothing,
    /// 200 with the five documented keys; the location is the one that packs the items now.
    Package {
        /// That location.
        stock_location_id: i64,
    },
}

impl Changes {
    /// A plain move: package and items change the state and keep the place.
    #[must_use]
    pub fn to(package: &PackageFacts, state_id: i64) -> Self {
        Self {
            state_id,
            stock_location_id: package.stock_location_id,
            item_states: BTreeMap::new(),
            shipment: None,
            successors: Vec::new(),
            exclusions: Vec::new(),
            missing: Vec::new(),
            trace: None,
            stock_bound_items: BTreeSet::new(),
            bound_by_quota: false,
            releases_reservations: false,
            replacements: BTreeMap::new(),
            record: Record::default(),
            answer: Answer::Package { stock_location_id: package.stock_location_id },
        }
    }
}
