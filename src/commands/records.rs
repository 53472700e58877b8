//! Writes the records of commands: the record of a log row, an invoice, a product, a changed shipment. [`super::apply`]
//! calls it once, after the log is written; without records there is no query.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    apply,
    changes::InvoiceChange,
    consequences::{Consequences, PackageChange},
};
use crate::{commands::changes::Record, db::PgConnection, error::Result, packages::facts::Documents};

/// True if there is no record, as for most moves.
#[must_use]
pub fn are_empty(changes: &[PackageChange], consequences: &Consequences) -> bool {
    let plain = |change: &PackageChange| {
        change.record.is_none()
            && !rewrites_shipment(change)
            && change.items.iter().all(|item| item.replaces_sku.is_none())
    };
    consequences.released.is_empty() && consequences.renewed.is_empty() && changes.iter().all(plain)
}

/// Writes it.
///
/// # Errors
/// When the database fails or refuses.
pub async fn write(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    consequences: &Consequences,
    ids: &[i64],
    documents: &[Documents],
    until_event_id: Option<i64>,
) -> Result<()> {
    write_log_records(connection, changes, consequences, ids).await?;
    if let Some(until_event_id) = until_event_id {
        keep_products(connection, changes, ids, until_event_id).await?;
        write_products(connection, changes).await?;
    }
    let recorded = changes.iter().zip(ids).zip(documents);
    let recorded = recorded.filter_map(|((change, id), documents)| Some((*id, change.record.as_ref()?, documents)));
    write_shipments(connection, changes, ids, documents).await?;
    for (id, record, documents) in recorded {
        if let Some(invoice) = &record.invoice {
            write_invoice(connection, id, invoice, documents.document_key).await?;
        }
    }
    Ok(())
}

/// Order lines whose product is replaced or whose barcode is scanned, each with the index of its package.
fn touched_lines(changes: &[PackageChange]) -> Vec<(i64, usize)> {
    let mut touched = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        let replaced = change.items.iter().filter(|item| item.replaces_sku.is_some());
        touched.extend(replaced.map(|item| (item.order_item_id, index)));
        let scanned = change.record.iter().flat_map(|record| &record.barcodes);
        touched.extend(scanned.map(|(line, _)| (*line, index)));
    }
    touched
}

/// If products change, or units leave their item, an id between the ids of earlier events and of new ones: earlier events
/// keep the old products, and the units together.
///
/// # Errors
/// When the database fails.
pub async fn next_event_id(connection: &mut PgConnection, changes: &[PackageChange]) -> Result<Option<i64>> {
    if touched_lines(changes).is_empty() && !apply::parts::are_cut(changes) {
        return Ok(None);
    }
    let id = sqlx::query_scalar!(r#"select nextval('event_ids') as "id!""#).fetch_one(connection).await?;
    Ok(Some(id))
}

/// Stores the old products of order lines, for earlier events and log rows. A package has one log row a transaction, so
/// its latest is the one that was just written.
async fn keep_products(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    ids: &[i64],
    until_event_id: i64,
) -> Result<()> {
    let (lines, packages): (Vec<i64>, Vec<i64>) =
        touched_lines(changes).into_iter().map(|(line, index)| (line, ids[index])).unzip();
    if lines.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into order_item_history (order_item_id, until_event_id, sku, product, transition_log_id)
         select oi.id, $3, oi.sku, oi.product,
                (select max(l.id) from transition_logs l where l.package_id = c.package_id)
           from unnest($1::bigint[], $2::bigint[]) as c(order_item_id, package_id)
           join order_items oi on oi.id = c.order_item_id
         on conflict do nothing",
        &lines,
        &packages,
        until_event_id
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The columns of `transition_records`.
#[derive(Default)]
struct Rows {
    packages: Vec<i64>,
    parameters: Vec<Option<Value>>,
    invoice_calls: Vec<Option<Value>>,
    replacements: Vec<Option<Value>>,
    reservations: Vec<Option<String>>,
}

impl Rows {
    fn collect(changes: &[PackageChange], consequences: &Consequences, ids: &[i64]) -> Self {
        let mut rows = Self::default();
        let nothing = Record::default();
        for (index, (change, id)) in changes.iter().zip(ids).enumerate() {
            let reservations = if consequences.released.contains(&index) {
                Some("released")
            } else if consequences.renewed.contains(&index) {
                Some("renewed")
            } else {
                None
            };
            let replacements = replacements(change);
            let record = change.record.as_ref().unwrap_or(&nothing);
            let is_plain = record.parameters.is_empty()
                && record.invoice_call.is_none()
                && replacements.is_none()
                && reservations.is_none();
            if is_plain {
                continue;
            }
            rows.packages.push(*id);
            let parameters = (!record.parameters.is_empty()).then(|| Value::Object(record.parameters.clone()));
            rows.parameters.push(parameters);
            rows.invoice_calls.push(record.invoice_call.as_ref().map(|call| call.reveal().clone()));
            rows.replacements.push(replacements);
            rows.reservations.push(reservations.map(str::to_owned));
        }
        rows
    }
}

/// `[{"package_item", "from", "to"}]`, if products were replaced.
fn replacements(change: &PackageChange) -> Option<Value> {
    let replaced = change.items.iter().filter_map(|item| {
        let from = item.replaces_sku.as_ref()?;
        Some(json!({ "package_item": item.id, "from": from, "to": item.sku }))
    });
    let list: Vec<Value> = replaced.collect();
    (!list.is_empty()).then_some(Value::Array(list))
}

async fn write_log_records(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    consequences: &Consequences,
    ids: &[i64],
) -> Result<()> {
    let rows = Rows::collect(changes, consequences, ids);
    if rows.packages.is_empty() {
        return Ok(());
    }
    // A package is locked and has one log row per transaction, so its latest is the one just written.
    sqlx::query!(
        "insert into transition_records (transition_log_id, parameters, invoice_call, replacements, reservations)
         select (select max(l.id) from transition_logs l where l.package_id = c.package_id), c.parameters,
                c.invoice_call, c.replacements, c.reservations
           from unnest($1::bigint[], $2::jsonb[], $3::jsonb[], $4::jsonb[], $5::text[])
                as c(package_id, parameters, invoice_call, replacements, reservations)",
        &rows.packages,
        &rows.parameters as &[Option<Value>],
        &rows.invoice_calls as &[Option<Value>],
        &rows.replacements as &[Option<Value>],
        &rows.reservations as &[Option<String>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Replacing products become the products of order lines, with the latest data of an order about them, and the name of what they
/// replace where no order has one; then scanned codes become their barcodes.
async fn write_products(connection: &mut PgConnection, changes: &[PackageChange]) -> Result<()> {
    let replaced: BTreeMap<i64, String> = changes
        .iter()
        .flat_map(|change| &change.items)
        .filter(|item| item.replaces_sku.is_some())
        .map(|item| (item.order_item_id, item.sku.clone()))
        .collect();
    if !replaced.is_empty() {
        let (lines, skus): (Vec<i64>, Vec<String>) = replaced.into_iter().unzip();
        sqlx::query!(
            "update order_items oi
                set sku = c.sku,
                    product = jsonb_strip_nulls(jsonb_build_object('name', oi.product->'name'))
                              || coalesce((select k.product from order_items k where k.sku = c.sku
                                            order by k.id desc limit 1), '{}')
                              || jsonb_build_object('sku', c.sku),
                    modified_date = now()
               from unnest($1::bigint[], $2::text[]) as c(id, sku)
              where oi.id = c.id",
            &lines,
            &skus
        )
        .execute(&mut *connection)
        .await?;
    }
    let barcodes = changes.iter().filter_map(|change| Some(&change.record.as_ref()?.barcodes)).flatten();
    let (lines, barcodes): (Vec<i64>, Vec<String>) = barcodes.map(|(line, code)| (*line, code.clone())).unzip();
    if !lines.is_empty() {
        sqlx::query!(
            "update order_items oi
                set product = oi.product || jsonb_build_object('barcode', c.barcode), modified_date = now()
               from unnest($1::bigint[], $2::text[]) as c(id, barcode)
              where oi.id = c.id",
            &lines,
            &barcodes
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// A changed shipment, or one with additional data.
fn rewrites_shipment(change: &PackageChange) -> bool {
    let record = change.record.as_ref().and_then(|record| record.shipment.as_ref());
    (change.shipment.is_some() && change.documents.shipment.is_some())
        || record.is_some_and(|shipment| shipment.query_number.is_some() || shipment.renews_label)
}

/// Existing shipments with their new data. (New ones are written with the log.)
async fn write_shipments(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    ids: &[i64],
    documents: &[Documents],
) -> Result<()> {
    let (mut packages, mut companies) = (Vec::new(), Vec::new());
    let (mut tracking_numbers, mut query_numbers, mut label_keys) = (Vec::new(), Vec::new(), Vec::new());
    for ((change, id), documents) in changes.iter().zip(ids).zip(documents) {
        let Some(shipment) = documents.shipment.as_ref().filter(|_| rewrites_shipment(change)) else { continue };
        packages.push(*id);
        companies.push(shipment.cargo_company_id);
        tracking_numbers.push(shipment.tracking_number.clone());
        query_numbers.push(shipment.query_number.clone());
        label_keys.push(shipment.label_key);
    }
    if packages.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update shipments s
            set cargo_company_id = c.cargo_company_id, tracking_number = c.tracking_number,
                query_number = c.query_number, label_key = c.label_key, modified_date = now()
           from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::uuid[])
                as c(package_id, cargo_company_id, tracking_number, query_number, label_key)
          where s.package_id = c.package_id",
        &packages,
        &companies,
        &tracking_numbers,
        &query_numbers as &[Option<String>],
        &label_keys as &[Option<Uuid>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_invoice(
    connection: &mut PgConnection,
    package_id: i64,
    invoice: &InvoiceChange,
    document_key: Option<Uuid>,
) -> Result<()> {
    if let Some(number) = &invoice.number {
        sqlx::query!("update packages set invoice_number = $2 where id = $1", package_id, number)
            .execute(&mut *connection)
            .await?;
    }
    let (kind, document) = invoice.document.as_ref().map_or((None, None), |(kind, bytes)| (Some(*kind), Some(bytes)));
    sqlx::query!(
        "insert into package_invoices as i (package_id, invoice_date, document_type, document, document_key)
         values ($1, $2, $3, $4, $5)
         on conflict (package_id) do update
            set invoice_date = coalesce(excluded.invoice_date, i.invoice_date),
                document_type = coalesce(excluded.document_type, i.document_type),
                document = coalesce(excluded.document, i.document),
                document_key = coalesce(excluded.document_key, i.document_key), modified_date = now()",
        package_id,
        invoice.date,
        kind,
        document,
        document.and(document_key)
    )
    .execute(connection)
    .await?;
    Ok(())
}
