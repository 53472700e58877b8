//! A package as commands and events see it, and the queries that load it.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::{db::PgConnection, error::Result, workflow::WAITING};

/// A place and a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Its state.
    pub state_id: i64,
    /// Its location.
    pub stock_location_id: i64,
}

/// The facts of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFacts {
    /// Its id.
    pub id: i64,
    /// Its number, `<order>P<n>`.
    pub number: String,
    /// Its order.
    pub order_id: i64,
    /// The location that packs it.
    pub stock_location_id: i64,
    /// Its state.
    pub state_id: i64,
    /// The sequence number of its latest event.
    pub event_sequence: i64,
    /// Grows with every change.
    pub version: i64,
    /// The carrier that the order asks for, if any.
    pub cargo_company_id: Option<i64>,
    /// Its shipment, once it is packed.
    pub shipment: Option<ShipmentFacts>,
    /// Its other data, for events.
    pub documents: Documents,
    /// Its items, by id.
    pub items: Vec<ItemFacts>,
}

/// An item of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFacts {
    /// Its id (what clients send in `package_items`).
    pub id: i64,
    /// The order item.
    pub order_item_id: i64,
    /// The SKU.
    pub sku: String,
    /// The number of units.
    pub quantity: i64,
    /// Its own state.
    pub state_id: i64,
    /// True if it has a reservation at its package's location (not at the source of a transfer). This is a fact of its
    /// own, because a package may give up its reservations while it waits.
    pub is_reserved: bool,
    /// When it was last changed.
    pub modified_date: DateTime<Utc>,
}

/// The shipment of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipmentFacts {
    /// The carrier.
    pub cargo_company_id: i64,
    /// The tracking number.
    pub tracking_number: String,
    /// True if it has a label.
    pub labelled: bool,
}

impl From<&ShipmentDocument> for ShipmentFacts {
    fn from(document: &ShipmentDocument) -> Self {
        Self {
            cargo_company_id: document.cargo_company_id,
            tracking_number: document.tracking_number.clone(),
            labelled: document.label_key.is_some(),
        }
    }
}

/// Data that no command uses but events have: shipment and invoice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documents {
    /// Its shipment, if there is one.
    pub shipment: Option<ShipmentDocument>,
    /// The invoice's number.
    pub invoice_number: Option<String>,
    /// The invoice's date.
    pub invoice_date: Option<NaiveDate>,
    /// The key in the address of the invoice's document, if there is one.
    pub document_key: Option<Uuid>,
}

/// A shipment for events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipmentDocument {
    /// The carrier.
    pub cargo_company_id: i64,
    /// The tracking number.
    pub tracking_number: String,
    /// The carrier's number for tracking queries.
    pub query_number: Option<String>,
    /// The key in the label's address, if there is one.
    pub label_key: Option<Uuid>,
    /// When it was last changed; none: by this change.
    pub modified_date: Option<DateTime<Utc>>,
}

impl PackageFacts {
    /// The package's place and state.
    #[must_use]
    pub fn placement(&self) -> Placement {
        Placement { state_id: self.state_id, stock_location_id: self.stock_location_id }
    }

    /// An item's place and state: the package's location, its own state.
    #[must_use]
    pub fn item_placement(&self, item: &ItemFacts) -> Placement {
        Placement { state_id: item.state_id, stock_location_id: self.stock_location_id }
    }
}

/// The result of [`read_packages`]: the installation's version and the packages.
#[derive(Debug)]
pub struct Found<Facts = PackageFacts> {
    /// None when nothing was found.
    pub version: Option<i64>,
    /// By id.
    pub by_id: HashMap<i64, Facts>,
}

/// Locks packages in the order of their ids, then reads them.
///
/// Two statements, on purpose: the rows of a package are read by a snapshot taken after its lock was granted, so they
/// are as new as the lock. (Within one statement, a row that was waited for is read again, but its joins are not.)
///
/// # Errors
/// When the database fails.
pub async fn lock(connection: &mut PgConnection, package_ids: &[i64]) -> Result<Found> {
    sqlx::query!("select from packages where id = any($1) order by id for update", package_ids)
        .execute(&mut *connection)
        .await?;
    read_packages(connection, package_ids).await
}

/// Reads packages at one moment. Ids that do not exist are missing in the result.
///
/// # Errors
/// When the database fails.
pub async fn read_packages(connection: &mut PgConnection, package_ids: &[i64]) -> Result<Found> {
    // Laterals, not joins: each is one index lookup per row, whatever the planner thinks of the table's size. A
    // reservation has its own SKU, so the order item need not be read.
    let rows = sqlx::query!(
        r#"select p.id as "id!", p.number as "number!", p.order_id as "order_id!",
                  p.stock_location_id as "stock_location_id!", p.state_id as "state_id!",
                  p.event_sequence as "event_sequence!", p.version as "version!",
                  o.cargo_company_id as "cargo_company_id?",
                  (select version from installation where only_row) as "installation_version!",
                  p.invoice_number, v.invoice_date as "invoice_date?", v.document_key as "document_key?",
                  s.cargo_company_id as "shipped_by?", s.tracking_number as "tracking_number?",
                  s.query_number as "query_number?", s.label_key as "label_key?",
                  s.modified_date as "shipment_modified_date?",
                  i.id as "item_id?", i.order_item_id as "order_item_id?", i.state_id as "item_state_id?",
                  i.quantity as "quantity?", i.modified_date as "item_modified_date?",
                  coalesce(r.stock_location_id = p.stock_location_id, false) as "is_reserved!",
                  coalesce(r.sku, (select oi.sku from order_items oi where oi.id = i.order_item_id)) as sku
             from unnest($1::bigint[]) as w(id)
             join packages p on p.id = w.id
             left join lateral (select cargo_company_id from orders where id = p.order_id limit 1) o on true
             left join lateral (select * from shipments where package_id = w.id limit 1) s on true
             left join lateral (select invoice_date, document_key from package_invoices
                                 where package_id = w.id limit 1) v on true
             left join package_items i on i.package_id = w.id
             left join lateral (select sku, stock_location_id from reservations
                                 where package_item_id = i.id limit 1) r on true"#,
        package_ids
    )
    .fetch_all(connection)
    .await?;
    let mut found = Found { version: None, by_id: HashMap::new() };
    for row in rows {
        found.version = Some(row.installation_version);
        let package = found.by_id.entry(row.id).or_insert_with(|| {
            let shipment =
                row.shipped_by.zip(row.tracking_number).map(|(cargo_company_id, tracking_number)| ShipmentDocument {
                    cargo_company_id,
                    tracking_number,
                    query_number: row.query_number,
                    label_key: row.label_key,
                    modified_date: row.shipment_modified_date,
                });
            PackageFacts {
                id: row.id,
                number: row.number,
                order_id: row.order_id,
                stock_location_id: row.stock_location_id,
                state_id: row.state_id,
                event_sequence: row.event_sequence,
                version: row.version,
                cargo_company_id: row.cargo_company_id,
                shipment: shipment.as_ref().map(ShipmentFacts::from),
                documents: Documents {
                    shipment,
                    invoice_number: row.invoice_number,
                    invoice_date: row.invoice_date,
                    document_key: row.document_key,
                },
                items: Vec::new(),
            }
        });
        if let (Some(id), Some(order_item_id), Some(state_id), Some(quantity), Some(sku), Some(modified_date)) =
            (row.item_id, row.order_item_id, row.item_state_id, row.quantity, row.sku, row.item_modified_date)
        {
            let is_reserved = row.is_reserved;
            package.items.push(ItemFacts { id, order_item_id, sku, quantity, state_id, is_reserved, modified_date });
        }
    }
    found.by_id.values_mut().for_each(|package| package.items.sort_unstable_by_key(|item| item.id));
    Ok(found)
}

/// The states of packages before their present ones, by package.
///
/// # Errors
/// When the database fails.
pub async fn states_before(connection: &mut PgConnection, package_ids: &[i64]) -> Result<HashMap<i64, i64>> {
    if package_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"select p.id,
                  coalesce((select l.source_state_id from transition_logs l
                             where l.package_id = p.id and l.destination_state_id = p.state_id
                               and l.source_state_id is distinct from l.destination_state_id
                             order by l.id desc limit 1),
                           (select s.id from states s where s.entity = 'package' and s.slug = $2)) as state_id
             from packages p
            where p.id = any($1)"#,
        package_ids,
        WAITING
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.id, row.state_id?))).collect())
}
