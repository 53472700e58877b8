//! The label of a shipment: its sender, its receiver and its contents.

use serde_json::Value;
use uuid::Uuid;

use super::label::{Drawn, Label, LabelItem, Party, render};
use crate::{
    db::PgPool,
    error::{Error, Result},
};

/// The label with this key; none where there is no such label, or its package is at none of the locations
/// (none: all).
///
/// # Errors
/// When it cannot be drawn, or the database fails.
pub async fn shipping_label(pool: &PgPool, key: Uuid, location_ids: Option<&[i64]>) -> Result<Option<Drawn>> {
    let row = sqlx::query!(
        r#"select p.id, p.number, o.number as order_number, o.details, s.tracking_number, s.created_date,
                  c.name as cargo_company, l.name as sender, l.address,
                  l.attributes->>'daytime_phone' as phone
             from shipments s
             join packages p on p.id = s.package_id
             join orders o on o.id = p.order_id
             join stock_locations l on l.id = p.stock_location_id
             join cargo_companies c on c.id = s.cargo_company_id
            where s.label_key = $1 and ($2::bigint[] is null or p.stock_location_id = any($2))"#,
        key,
        location_ids
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let items = sqlx::query!(
        r#"select oi.sku, coalesce(oi.product->>'name', '') as "name!", i.quantity
             from package_items i join order_items oi on oi.id = i.order_item_id
            where i.package_id = $1 order by i.id"#,
        row.id
    )
    .fetch_all(pool)
    .await?;
    let drawn = tokio::task::spawn_blocking(move || {
        let address = &row.details["shipping_address"];
        let (receiver_name, receiver_lines) = receiver(&row.details["customer"], address);
        let sender_lines = address_lines(&row.address, row.phone.as_deref());
        render(&Label {
            sender: Party { name: &row.sender, lines: sender_lines.iter().map(String::as_str).collect() },
            receiver: Party { name: &receiver_name, lines: receiver_lines.iter().map(String::as_str).collect() },
            order_number: &row.order_number,
            package_number: &row.number,
            cargo_company: &row.cargo_company,
            tracking_number: &row.tracking_number,
            created: row.created_date,
            items: items
                .iter()
                .map(|item| LabelItem { sku: &item.sku, name: &item.name, quantity: item.quantity })
                .collect(),
        })
    })
    .await
    .map_err(|error| Error::Fault(format!("label task: {error}")))?;
    drawn.map(Some).map_err(|error| Error::Fault(format!("label {key}: {error}")))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    // A city or country is {"name": …} in an order and plain text in a location.
    let value = &value[key];
    value.as_str().or_else(|| value["name"].as_str()).unwrap_or_default()
}

fn receiver(customer: &Value, address: &Value) -> (String, Vec<String>) {
    let first = [text(address, "first_name"), text(customer, "first_name")].into_iter().find(|name| !name.is_empty());
    let last = [text(address, "last_name"), text(customer, "last_name")].into_iter().find(|name| !name.is_empty());
    let name = format!("{} {}", first.unwrap_or_default(), last.unwrap_or_default()).trim().to_owned();
    (name, address_lines(address, address["phone_number"].as_str()))
}

fn address_lines(address: &Value, phone: Option<&str>) -> Vec<String> {
    let city = format!("{} {}", text(address, "postcode"), text(address, "city"));
    let lines = [
        text(address, "line"),
        text(address, "district"),
        text(address, "township"),
        city.trim(),
        text(address, "country"),
        phone.unwrap_or_default(),
    ];
    lines.into_iter().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
