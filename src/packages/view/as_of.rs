//! Packages as they were, for events: what may change is taken from what the event remembers, the rest from the rows,
//! which never change, and from what is kept by version.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sqlx::types::Json;

use super::{
    PackageView,
    load::{ItemRow, PackageRow, commands, item_view, load_rows, view},
};
use crate::{
    catalog::Catalog,
    db::PgConnection,
    error::{Error, Result},
    events::Change,
    locations,
    orders::history::OrderHistory,
    packages::snapshot::PackageSnapshot,
    wire::raw,
    workflow::WAITING,
};

/// Tells packages as they were when each of some changes was written, by the change's id.
///
/// # Errors
/// When the database fails.
pub async fn render_as_of(
    connection: &mut PgConnection,
    catalog: &Catalog,
    changes: &[&Change],
) -> Result<HashMap<i64, PackageView>> {
    let package_ids: Vec<i64> = changes.iter().map(|change| change.object_id).collect();
    let rows: HashMap<i64, PackageRow> =
        load_rows(&mut *connection, &package_ids).await?.into_iter().map(|row| (row.id, row)).collect();
    let mut recorded = Vec::with_capacity(changes.len());
    for change in changes {
        let Some(row) = rows.get(&change.object_id) else { continue };
        let snapshot = match PackageSnapshot::from_json(&change.facts)? {
            Some(snapshot) => snapshot,
            None => current_snapshot(&mut *connection, row).await?,
        };
        recorded.push((*change, row, snapshot));
    }
    let lines = Lines::load(&mut *connection, &recorded).await?;
    let order_ids: Vec<i64> = recorded.iter().map(|(_, row, _)| row.order_id).collect();
    let orders = OrderHistory::load(&mut *connection, &order_ids).await?;
    let successors = successors(&mut *connection, &recorded).await?;
    let states_before = states_before(&mut *connection, catalog, &recorded).await?;
    let (ids, versions): (Vec<i64>, Vec<i64>) =
        recorded.iter().map(|(change, _, snapshot)| (snapshot.stock_location_id, change.installation_version)).unzip();
    let places = locations::as_of(connection, &ids, &versions).await?;
    let mut views = HashMap::with_capacity(recorded.len());
    for (change, row, snapshot) in recorded {
        let place = places.get(&(snapshot.stock_location_id, change.installation_version));
        let place =
            place.ok_or_else(|| Error::Fault(format!("location {} has no history", snapshot.stock_location_id)))?;
        let items = snapshot.items.iter().filter_map(|item| {
            let mut line = lines.as_of(item.id, change)?;
            line.state_id = item.state_id;
            line.modified_date = item.modified_date.unwrap_or(change.created_date);
            Some(item_view(line, catalog))
        });
        let items = items.collect::<Result<Vec<_>>>()?;
        let mut row = as_it_was(row, &snapshot, change.created_date);
        if let Some(earlier) = orders.at(row.order_id, change.id).cloned() {
            (row.customer, row.shipping_address, row.city) = (earlier.customer, earlier.shipping_address, earlier.city);
        }
        row.replaced_by.retain(|id| successors.get(id).is_none_or(|position| *position <= change.position));
        let before = states_before.get(&change.id).copied();
        let commands = commands(catalog, row.state_id, before);
        views.insert(change.id, view(row, items, raw(place), commands, catalog)?);
    }
    Ok(views)
}

type Recorded<'a> = (&'a Change, &'a PackageRow, PackageSnapshot);

/// An event from before snapshots were kept tells what the package is now.
async fn current_snapshot(connection: &mut PgConnection, row: &PackageRow) -> Result<PackageSnapshot> {
    let found = crate::packages::facts::read_packages(connection, &[row.id]).await?;
    let package = found.by_id.get(&row.id).ok_or_else(|| Error::Fault(format!("package {} vanished", row.id)))?;
    Ok(PackageSnapshot {
        state_id: package.state_id,
        stock_location_id: package.stock_location_id,
        items: package.items.iter().map(Into::into).collect(),
        documents: package.documents.clone(),
    })
}

fn as_it_was(row: &PackageRow, snapshot: &PackageSnapshot, date: DateTime<Utc>) -> PackageRow {
    let shipment = snapshot.documents.shipment.as_ref();
    PackageRow {
        state_id: snapshot.state_id,
        stock_location_id: snapshot.stock_location_id,
        modified_date: date,
        invoice_number: snapshot.documents.invoice_number.clone(),
        invoice_date: snapshot.documents.invoice_date,
        document_key: snapshot.documents.document_key,
        shipment_id: row.shipment_id.filter(|_| shipment.is_some()),
        cargo_company_id: shipment.map(|shipment| shipment.cargo_company_id),
        tracking_number: shipment.map(|shipment| shipment.tracking_number.clone()),
        query_number: shipment.and_then(|shipment| shipment.query_number.clone()),
        label_key: shipment.and_then(|shipment| shipment.label_key),
        shipment_modified_date: shipment.map(|shipment| shipment.modified_date.unwrap_or(date)),
        ..row.clone()
    }
}

/// The first event that does not tell it so any more, SKU and product.
type Product = (i64, String, Json<Box<RawValue>>);

/// The items of some packages, and what their products and units were.
struct Lines {
    items: HashMap<i64, ItemRow>,
    /// By order item, oldest first.
    history: HashMap<i64, Vec<Product>>,
    /// By item the parts that have left it: the first event that tells of the part by itself, and its units.
    parts: HashMap<i64, Vec<(i64, i64)>>,
}

impl Lines {
    async fn load(connection: &mut PgConnection, recorded: &[Recorded<'_>]) -> Result<Self> {
        let ids: Vec<i64> =
            recorded.iter().flat_map(|(_, _, snapshot)| snapshot.items.iter().map(|item| item.id)).collect();
        let items = sqlx::query_as!(
            ItemRow,
            r#"select i.id, i.package_id, i.state_id, i.quantity, i.created_date, i.modified_date, i.order_item_id,
                      oi.omnitron_id, oi.sku, oi.quantity as ordered, oi.price::text as price, oi.price_currency,
                      oi.tax_rate::text as tax_rate, oi.discount_amount::text as discount_amount,
                      oi.parent_omnitron_id as parent, oi.extra_field as "extra_field: Json<Box<RawValue>>",
                      oi.product as "product: Json<Box<RawValue>>"
                 from package_items i
                 join order_items oi on oi.id = i.order_item_id
                where i.id = any($1)"#,
            &ids
        )
        .fetch_all(&mut *connection)
        .await?;
        let order_item_ids: Vec<i64> = items.iter().map(|item| item.order_item_id).collect();
        let kept = sqlx::query!(
            r#"select order_item_id, until_event_id, sku, product as "product: Json<Box<RawValue>>"
                 from order_item_history where order_item_id = any($1) order by order_item_id, until_event_id"#,
            &order_item_ids
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut history: HashMap<_, Vec<_>> = HashMap::new();
        for row in kept {
            history.entry(row.order_item_id).or_default().push((row.until_event_id, row.sku, row.product));
        }
        let left = sqlx::query!(
            "select part_of, until_event_id, quantity from package_item_parts where part_of = any($1)",
            &ids
        )
        .fetch_all(connection)
        .await?;
        let mut parts: HashMap<_, Vec<_>> = HashMap::new();
        for row in left {
            parts.entry(row.part_of).or_default().push((row.until_event_id, row.quantity));
        }
        Ok(Self { items: items.into_iter().map(|item| (item.id, item)).collect(), history, parts })
    }

    fn as_of(&self, item_id: i64, change: &Change) -> Option<ItemRow> {
        let mut item = self.items.get(&item_id)?.clone();
        let history = self.history.get(&item.order_item_id);
        if let Some((_, sku, product)) =
            history.and_then(|history| history.iter().find(|(until_event_id, ..)| change.id < *until_event_id))
        {
            item.sku.clone_from(sku);
            item.product = product.clone();
        }
        let left_since = self.parts.get(&item_id).into_iter().flatten().filter(|(until, _)| change.id < *until);
        item.quantity += left_since.map(|(_, units)| units).sum::<i64>();
        Some(item)
    }
}

/// Where in the feed the packages began that took over items, by their id.
async fn successors(connection: &mut PgConnection, recorded: &[Recorded<'_>]) -> Result<HashMap<i64, i64>> {
    let ids: Vec<i64> = recorded.iter().flat_map(|(_, row, _)| row.replaced_by.iter().copied()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        "select object_id, position from events where entity = 'package' and object_id = any($1) and sequence = 1",
        &ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.object_id, row.position)).collect())
}

/// The states that packages were in before those they were in, by the change's id: where transitions lead back to it.
async fn states_before(
    connection: &mut PgConnection,
    catalog: &Catalog,
    recorded: &[Recorded<'_>],
) -> Result<HashMap<i64, i64>> {
    let leading = recorded.iter().filter(|(_, _, snapshot)| catalog.workflow.leads_back_from(snapshot.state_id));
    let leading: Vec<(i64, i64, i64, DateTime<Utc>)> =
        leading.map(|(change, row, snapshot)| (change.id, row.id, snapshot.state_id, change.created_date)).collect();
    let mut states = HashMap::new();
    for (id, package_id, state_id, date) in leading {
        let before = sqlx::query_scalar!(
            "select source_state_id from transition_logs
              where package_id = $1 and destination_state_id = $2 and source_state_id <> $2 and created_date <= $3
              order by id desc limit 1",
            package_id,
            state_id,
            date
        )
        .fetch_optional(&mut *connection)
        .await?;
        // One that began there goes on to where all begin.
        let before = match before.flatten() {
            Some(before) => before,
            None => catalog.workflow.state_by_slug("package", WAITING)?.id,
        };
        states.insert(id, before);
    }
    Ok(states)
}
