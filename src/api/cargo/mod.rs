//! `GET /api/v1/oms/cargo-company/` and the labels.

mod conditions;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use sqlx::{Row as _, postgres::PgRow};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::file::File;
use crate::{
    api::declare::listed,
    api::extract::{Authenticated, Key},
    app::App,
    cargo::{
        CargoCompany,
        label::{Label, LabelItem, Party, render},
    },
    error::{Error, Refusal, Result},
    page::{Filter, Kind, List, Page, VISIBLE_TO_ALL, filter},
    wire::Timestamp,
};

pub use conditions::FILTERS as CONDITION_FILTERS;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(listed::<CargoCompany, _>(routes!(list), &LIST))
        .routes(listed::<conditions::Condition, _>(routes!(conditions::list), &conditions::LIST))
        .routes(routes!(conditions::detail))
        .routes(routes!(label))
}

/// What cargo companies can be filtered by.
pub const FILTERS: &[Filter] = &[
    filter("slug", Kind::Text, "c.slug = {}", "Its slug."),
    filter("name", Kind::Contains, "c.name ilike {}", "Part of the name, in any case."),
    filter("is_active", Kind::Boolean, "c.is_active = {}", "Whether it is active."),
    filter("pk__in", Kind::Integers, "c.id = any({})", "Ids, separated by commas."),
];

/// The list of cargo companies. They belong to no location: every caller sees them.
const LIST: List = List {
    from: " from cargo_companies c",
    visible: VISIBLE_TO_ALL,
    filters: FILTERS,
    sorts: &[("id", "c.id"), ("name", "c.name"), ("slug", "c.slug")],
    default_sort: "id",
    tie_breaker: "c.id",
};

/// The cargo companies
///
/// Their ids are what commands send as `cargo_company`.
#[utoipa::path(get, path = "/api/v1/oms/cargo-company/", tag = "Cargo companies", operation_id = "listCargoCompanies")]
async fn list(State(app): State<App>, _: Authenticated, page: Page) -> Result<Response> {
    let columns = "c.id, c.name, c.slug, c.integration, c.is_active, c.created_date, c.modified_date";
    let mut listing = LIST.open(&app.pool, page, None, columns).await?;
    let read = |row: &PgRow| {
        Ok(CargoCompany {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            slug: row.try_get(2)?,
            integration: row.try_get(3)?,
            is_active: row.try_get(4)?,
            created_date: Timestamp(row.try_get(5)?),
            modified_date: Timestamp(row.try_get(6)?),
        })
    };
    listing.add_all(read).await?;
    listing.respond().await
}

/// A shipping label
///
/// The address in a package's `shipping_label`. It needs no token: the key in it is only known to who was shown the
/// package, so that a browser or a printer can open it.
#[utoipa::path(get, path = "/api/v1/oms/shipping-labels/{key}/", tag = "Cargo companies",
    operation_id = "getShippingLabel",
    params(("key" = Uuid, Path, description = "The key in the package's shipping_label")),
    security(()),
    responses((status = 200, description = "A printable label, 100 × 150 mm", body = File, content_type = "application/pdf")))]
async fn label(State(app): State<App>, Key(key): Key) -> Result<Response> {
    let row = sqlx::query!(
        r#"select p.id, p.number, o.number as order_number, o.details, s.tracking_number, s.created_date,
                  c.name as cargo_company, l.name as sender, l.address,
                  l.attributes->>'daytime_phone' as phone
             from shipments s
             join packages p on p.id = s.package_id
             join orders o on o.id = p.order_id
             join stock_locations l on l.id = p.stock_location_id
             join cargo_companies c on c.id = s.cargo_company_id
            where s.label_key = $1"#,
        key
    )
    .fetch_optional(&app.pool)
    .await?
    .ok_or_else(Refusal::not_found)?;
    let items = sqlx::query!(
        r#"select oi.sku, coalesce(oi.product->>'name', '') as "name!", i.quantity
             from package_items i join order_items oi on oi.id = i.order_item_id
            where i.package_id = $1 order by i.id"#,
        row.id
    )
    .fetch_all(&app.pool)
    .await?;
    let pdf = tokio::task::spawn_blocking(move || {
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
    .map_err(|error| Error::Fault(format!("label task: {error}")))?
    .map_err(|error| Error::Fault(format!("label {key}: {error}")))?;
    let kind = (header::CONTENT_TYPE, "application/pdf");
    Ok(([kind, (header::CACHE_CONTROL, "private, max-age=300")], File(pdf)).into_response())
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
