//! What a decision may change. Quota, stock, reservations, the log and events are not here: they follow
//! ([`super::consequences`]).

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::PackageFacts;
use crate::planning::plan::Trace;

/// What a command decided.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The package's state after it; the same as before for a command that does not move it.
    pub state_id: i64,
    /// The package's location after it.
    pub stock_location_id: i64,
    /// Items whose state is not the package's, by package item id.
    pub item_states: BTreeMap<i64, i64>,
    /// The shipment as it is to be, if the command makes or changes one.
    pub shipment: Option<ShipmentChange>,
    /// New packages that take over items of this one.
    pub successors: Vec<Successor>,
    /// (order item, location): this location could not serve this item and is left out for it.
    pub exclusions: Vec<(i64, i64)>,
    /// Why each place was chosen, when items were planned again.
    pub trace: Option<Trace>,
    /// Order items whose new place holds only while enough stock is available, in this package or a successor.
    pub stock_bound_items: BTreeSet<i64>,
    /// The package's new place holds only while the location has quota left.
    pub bound_by_quota: bool,
    /// The items give their reservations up, though the package goes on waiting.
    pub releases_reservations: bool,
    /// Products that take the place of others, by package item id: the new SKU.
    pub replacements: BTreeMap<i64, String>,
    /// What is written besides moving things.
    pub record: Record,
    /// What the client is told.
    pub answer: Answer,
}

/// What a command writes besides moving things; most have nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// Common parameters that differ from their documented defaults, and the command's own that it records, by name.
    pub parameters: Map<String, Value>,
    /// `remote_invoice_call` with its defaults. It holds secrets: it is stored and never shown.
    pub invoice_call: Option<Value>,
    /// The invoice as given.
    pub invoice: Option<InvoiceChange>,
    /// What was scanned, by order item id.
    pub barcodes: BTreeMap<i64, String>,
    /// What the shipment gets besides carrier and number.
    pub shipment: Option<ShipmentRecord>,
}

/// The invoice of a package; what is not given stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvoiceChange {
    /// Its number.
    pub number: Option<String>,
    /// Its date.
    pub date: Option<NaiveDate>,
    /// The document: its type and its bytes.
    pub document: Option<(&'static str, Vec<u8>)>,
}

/// What a shipment gets besides carrier and number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShipmentRecord {
    /// The carrier's number to ask for its whereabouts; none: as it is.
    pub query_number: Option<String>,
    /// The label is made again: the link to the one before leads nowhere from then on.
    pub renews_label: bool,
    /// The carrier's number is another than before, as the client says.
    pub awb_number_is_new: bool,
}

/// The shipment of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipmentChange {
    /// Who carries it.
    pub cargo_company_id: i64,
    /// The carrier's number for it.
    pub tracking_number: String,
    /// Whether there is a label to print.
    pub labelled: bool,
}

/// How a successor comes by its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// They leave this package, which goes on without them.
    Move,
    /// This package ends and keeps them as its history; the successor gets items of its own.
    Copy,
}

/// A new package for items of the one at hand.
#[derive(Debug, Clone)]
pub struct Successor {
    /// Where its items are to be packed.
    pub stock_location_id: i64,
    /// The state it begins in.
    pub state_id: i64,
    /// Ids of this package's items.
    pub package_item_ids: Vec<i64>,
    /// Whether they are moved or copied.
    pub taking: Taking,
    /// The place holds only while the location has quota left.
    pub bound_by_quota: bool,
}

/// The body of a command that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 204, empty.
    Nothing,
    /// 200 with the five documented keys; the location is where the items are to be packed now.
    Package {
        /// That location.
        stock_location_id: i64,
    },
}

impl Changes {
    /// The plain move: package and items to a state, at the same place.
    #[must_use]
    pub fn to(package: &PackageFacts, state_id: i64) -> Self {
        Self {
            state_id,
            stock_location_id: package.stock_location_id,
            item_states: BTreeMap::new(),
            shipment: None,
            successors: Vec::new(),
            exclusions: Vec::new(),
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
