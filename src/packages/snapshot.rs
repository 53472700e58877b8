//! The fields of a package that an event stores: those that may change, in a few bytes. [`crate::payloads`] makes the
//! whole resource from them.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    packages::facts::{Documents, ItemFacts, ShipmentDocument},
};

/// A package as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSnapshot {
    /// Its state.
    pub state_id: i64,
    /// Its location.
    pub stock_location_id: i64,
    /// Its items, by id.
    pub items: Vec<ItemSnapshot>,
    /// Its shipment and its invoice.
    pub documents: Documents,
}

/// One of its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemSnapshot {
    /// Its id.
    pub id: i64,
    /// Its own state.
    pub state_id: i64,
    /// When it was last changed; none: by the change of this event.
    pub modified_date: Option<DateTime<Utc>>,
}

impl From<&ItemFacts> for ItemSnapshot {
    fn from(item: &ItemFacts) -> Self {
        Self { id: item.id, state_id: item.state_id, modified_date: Some(item.modified_date) }
    }
}

/// The stored form. Frequent names are short, and empty fields are left out.
#[derive(Serialize, Deserialize)]
struct Stored {
    state: i64,
    at: i64,
    /// `[id, state, microseconds]`.
    items: Vec<(i64, i64, Option<i64>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shipment: Option<StoredShipment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invoice_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invoice_date: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    document_key: Option<Uuid>,
}

#[derive(Serialize, Deserialize)]
struct StoredShipment {
    by: i64,
    number: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label_key: Option<Uuid>,
    /// In microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<i64>,
}

impl PackageSnapshot {
    /// As it is stored.
    ///
    /// # Errors
    /// A fault when it cannot be written as JSON, which no value causes.
    pub fn to_json(&self) -> Result<String> {
        let micros = |date: DateTime<Utc>| date.timestamp_micros();
        let stored = Stored {
            state: self.state_id,
            at: self.stock_location_id,
            items: self.items.iter().map(|item| (item.id, item.state_id, item.modified_date.map(micros))).collect(),
            shipment: self.documents.shipment.as_ref().map(|shipment| StoredShipment {
                by: shipment.cargo_company_id,
                number: shipment.tracking_number.clone(),
                query_number: shipment.query_number.clone(),
                label_key: shipment.label_key,
                modified: shipment.modified_date.map(micros),
            }),
            invoice_number: self.documents.invoice_number.clone(),
            invoice_date: self.documents.invoice_date,
            document_key: self.documents.document_key,
        };
        serde_json::to_string(&stored).map_err(|error| Error::Fault(format!("a package's snapshot: {error}")))
    }

    /// Reads the stored form; none for an event from before snapshots were stored.
    ///
    /// # Errors
    /// A fault when the text is not a form that this version, or one before it, stored.
    pub fn from_json(text: &str) -> Result<Option<Self>> {
        if text == "{}" {
            return Ok(None);
        }
        let stored: Stored =
            serde_json::from_str(text).map_err(|error| Error::Fault(format!("a package's snapshot: {error}")))?;
        let date = DateTime::<Utc>::from_timestamp_micros;
        Ok(Some(Self {
            state_id: stored.state,
            stock_location_id: stored.at,
            items: stored
                .items
                .into_iter()
                .map(|(id, state_id, modified)| ItemSnapshot { id, state_id, modified_date: modified.and_then(date) })
                .collect(),
            documents: Documents {
                shipment: stored.shipment.map(|shipment| ShipmentDocument {
                    cargo_company_id: shipment.by,
                    tracking_number: shipment.number,
                    query_number: shipment.query_number,
                    label_key: shipment.label_key,
                    modified_date: shipment.modified.and_then(date),
                }),
                invoice_number: stored.invoice_number,
                invoice_date: stored.invoice_date,
                document_key: stored.document_key,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_comes_back_as_it_was_and_is_small() {
        let date = DateTime::from_timestamp_micros(1_700_000_000_123_456);
        let bare = PackageSnapshot {
            state_id: 33,
            stock_location_id: 2,
            items: vec![
                ItemSnapshot { id: 5, state_id: 33, modified_date: None },
                ItemSnapshot { id: 6, state_id: 34, modified_date: date },
            ],
            documents: Documents::default(),
        };
        let text = bare.to_json().expect("stored");
        assert_eq!(text, r#"{"state":33,"at":2,"items":[[5,33,null],[6,34,1700000000123456]]}"#);
        let full = PackageSnapshot {
            documents: Documents {
                shipment: Some(ShipmentDocument {
                    cargo_company_id: 1,
                    tracking_number: "T1".to_owned(),
                    query_number: Some("Q".to_owned()),
                    label_key: Some(Uuid::from_u128(7)),
                    modified_date: date,
                }),
                invoice_number: Some("F1".to_owned()),
                invoice_date: NaiveDate::from_ymd_opt(2026, 1, 2),
                document_key: Some(Uuid::from_u128(8)),
            },
            ..bare.clone()
        };
        for snapshot in [bare, full] {
            let text = snapshot.to_json().expect("stored");
            assert_eq!(PackageSnapshot::from_json(&text).expect("read"), Some(snapshot));
        }
        assert_eq!(PackageSnapshot::from_json("{}").expect("read"), None);
        assert!(PackageSnapshot::from_json(r#"{"state":1}"#).is_err());
    }
}
