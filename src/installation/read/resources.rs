//! What clients look up and pick from: `[[cargo_company_conditions]]`, `[[sender_addresses]]` and
//! `[[cancellation_reasons]]`.

use serde_json::{Map, Value};

use super::words::CancellationType;
use crate::reading::{COUNTS, Place, Reader};

/// A `[[cargo_company_conditions]]` entry: by which rules a carrier is chosen, for the clients that choose by them.
#[derive(Debug, Clone, PartialEq)]
pub struct CargoCompanyCondition {
    /// Its fixed id.
    pub id: Option<i64>,
    /// The slug of the carrier, which has one entry.
    pub cargo_company: String,
    /// `{ rules = […] }`, of any content.
    pub rules_configuration: Map<String, Value>,
    /// Where the entry stands.
    pub at: Place,
}

impl CargoCompanyCondition {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["cargo_company", "rules_configuration"]);
        Self {
            id: reader.id("id"),
            cargo_company: reader.slug("cargo_company").unwrap_or_default(),
            rules_configuration: reader.json("rules_configuration").unwrap_or_default(),
            at: reader.finish(),
        }
    }
}

/// A `[[sender_addresses]]` entry: under which number a carrier knows a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderAddress {
    /// Its fixed id.
    pub id: Option<i64>,
    /// The location's `erp_code`.
    pub stock_location: String,
    /// The slug of the carrier.
    pub cargo_company: String,
    /// The carrier's own key of the address.
    pub origin_id: String,
    /// Where the entry stands.
    pub at: Place,
}

impl SenderAddress {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["stock_location", "cargo_company", "origin_id"]);
        Self {
            id: reader.id("id"),
            stock_location: reader.text("stock_location").unwrap_or_default(),
            cargo_company: reader.slug("cargo_company").unwrap_or_default(),
            origin_id: reader.text("origin_id").unwrap_or_default(),
            at: reader.finish(),
        }
    }
}

/// A `[[cancellation_reasons]]` entry: why a customer cancels or sends back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancellationReason {
    /// Its fixed id.
    pub id: Option<i64>,
    /// What the customer reads and picks.
    pub subject: String,
    /// Cancel or refund (`type` in the file).
    pub cancellation_type: CancellationType,
    /// Lower is shown first (`order` in the file).
    pub position: i32,
    /// Whether the customer is asked for more words.
    pub extra_information_needed: bool,
    /// The upstream's own key.
    pub omnitron_id: Option<i64>,
    /// Where the entry stands.
    pub at: Place,
}

impl CancellationReason {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["subject", "type"]);
        Self {
            id: reader.id("id"),
            subject: reader.text("subject").unwrap_or_default(),
            cancellation_type: reader.choice("type").unwrap_or(CancellationType::Cancel),
            position: reader.count("order", COUNTS).unwrap_or_default(),
            extra_information_needed: reader.flag("extra_information_needed").unwrap_or_default(),
            omnitron_id: reader.id("omnitron_id"),
            at: reader.finish(),
        }
    }
}
