//! The fields of a transfer that an event stores: those that may change.

use serde::Deserialize;

use crate::error::{Error, Result};

/// A transfer as it was.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TransferSnapshot {
    /// Its state.
    pub state: i64,
    /// The carrier, once it is known.
    pub cargo_company: Option<i64>,
    /// The carrier's number for it.
    pub tracking_number: Option<String>,
    /// The state of its package.
    pub package_state: i64,
    /// The location that packs its package.
    pub package_stock_location: i64,
}

impl TransferSnapshot {
    /// Reads the stored form; none for an event from before snapshots were stored.
    ///
    /// # Errors
    /// A fault when the text is not a form that this version, or one before it, stored.
    pub fn from_json(text: &str) -> Result<Option<Self>> {
        if text == "{}" {
            return Ok(None);
        }
        serde_json::from_str(text).map(Some).map_err(|error| Error::Fault(format!("a transfer's snapshot: {error}")))
    }
}
