//! Shipment and invoice after a change. The keys of document addresses are made here, so that the rows and the event
//! have the same keys.

use uuid::{NoContext, Timestamp, Uuid};

use super::super::consequences::PackageChange;
use crate::packages::facts::{Documents, ShipmentDocument};

/// A package's documents after its change.
pub(super) fn after(change: &PackageChange) -> Documents {
    let mut documents = change.documents.clone();
    if let Some(shipment) = &change.shipment {
        let before = documents.shipment.take();
        let (query_number, label_key) = before.map_or((None, None), |before| (before.query_number, before.label_key));
        documents.shipment = Some(ShipmentDocument {
            cargo_company_id: shipment.cargo_company_id,
            tracking_number: shipment.tracking_number.clone(),
            query_number,
            label_key: shipment.labelled.then(|| label_key.unwrap_or_else(new_key)),
            modified_date: None,
        });
    }
    let Some(record) = &change.record else { return documents };
    if let (Some(update), Some(shipment)) = (&record.shipment, &mut documents.shipment)
        && (update.query_number.is_some() || update.renews_label)
    {
        shipment.query_number = update.query_number.clone().or(shipment.query_number.take());
        if update.renews_label {
            shipment.label_key = Some(new_key());
        }
        shipment.modified_date = None;
    }
    if let Some(invoice) = &record.invoice {
        documents.invoice_number = invoice.number.clone().or(documents.invoice_number);
        documents.invoice_date = invoice.date.or(documents.invoice_date);
        // A new document has a new address, so that the old address never shows the new document.
        documents.document_key = invoice.document.as_ref().map(|_| new_key()).or(documents.document_key);
    }
    documents
}

/// A key that cannot be guessed and is greater than earlier ones, so that indexes grow only at their end. (Without a
/// context all bits except the time are random.)
fn new_key() -> Uuid {
    Uuid::new_v7(Timestamp::now(NoContext))
}
