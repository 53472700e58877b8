//! Shipment and invoice as they are after a change. The keys in the addresses of documents are made here, so that what
//! is written and what the event tells are the same.

use uuid::{NoContext, Timestamp, Uuid};

use super::super::{Papers, consequences::PackageChange, facts::ShipmentPaper};

/// What a package's papers are once its change is written.
pub(super) fn after(change: &PackageChange) -> Papers {
    let mut papers = change.papers.clone();
    if let Some(shipment) = &change.shipment {
        let before = papers.shipment.take();
        let (query_number, label_key) = before.map_or((None, None), |before| (before.query_number, before.label_key));
        papers.shipment = Some(ShipmentPaper {
            cargo_company_id: shipment.cargo_company_id,
            tracking_number: shipment.tracking_number.clone(),
            query_number,
            label_key: shipment.labelled.then(|| label_key.unwrap_or_else(new_key)),
            modified_date: None,
        });
    }
    let Some(record) = &change.record else { return papers };
    if let (Some(news), Some(shipment)) = (&record.shipment, &mut papers.shipment)
        && (news.query_number.is_some() || news.renews_label)
    {
        shipment.query_number = news.query_number.clone().or(shipment.query_number.take());
        if news.renews_label {
            shipment.label_key = Some(new_key());
        }
        shipment.modified_date = None;
    }
    if let Some(invoice) = &record.invoice {
        papers.invoice_number = invoice.number.clone().or(papers.invoice_number);
        papers.invoice_date = invoice.date.or(papers.invoice_date);
        // A new document has a new address: whoever has the old one does not take it for the new.
        papers.document_key = invoice.document.as_ref().map(|_| new_key()).or(papers.document_key);
    }
    papers
}

/// A key nobody guesses, and greater than those made before, so that the index of all is written at its end only. (Without
/// a context every bit but the time's is random.)
fn new_key() -> Uuid {
    Uuid::new_v7(Timestamp::now(NoContext))
}
