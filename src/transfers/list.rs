//! The lists of transfers and of what they carry.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    db::PgConnection,
    error::Result,
    page::{Kind, List, filter},
    wire::Timestamp,
};

/// The list of transfers. A store sees those from and to its locations.
pub const LIST: List = List {
    from: " from transfers t join packages p on p.id = t.package_id join orders o on o.id = p.order_id \
           join stock_locations s on s.id = t.source_location_id join stock_locations d on d.id = t.destination_location_id",
    columns: "t.id",
    visible: "array[t.source_location_id, t.destination_location_id] && {}",
    filters: &[
        filter("state", Kind::Integer, "t.state_id = {}", "Id of the state."),
        filter(
            "state__enum_value",
            Kind::Text,
            "t.state_id in (select id from states where entity = 'transfer' and enum_value = {})",
            "The stable code of the state, as `100`.",
        ),
        filter("number", Kind::Text, "t.number = {}", "Its number."),
        filter("order", Kind::Integer, "p.order_id = {}", "Id of the order."),
        filter("order__number", Kind::Prefix, "o.number like {}", "The beginning of the order's number."),
        filter("package", Kind::Integer, "t.package_id = {}", "Id of the package."),
        filter("package_number", Kind::Text, "p.number = {}", "Number of the package."),
        filter(
            "product_sku",
            Kind::Text,
            "exists (select from transfer_items ti join package_items i on i.id = ti.package_item_id join order_items oi on oi.id = i.order_item_id where ti.transfer_id = t.id and oi.sku = {})",
            "SKU of a product in it.",
        ),
        filter(
            "product_barcode",
            Kind::Text,
            "exists (select from transfer_items ti join package_items i on i.id = ti.package_item_id join order_items oi on oi.id = i.order_item_id where ti.transfer_id = t.id and oi.product->>'barcode' = {})",
            "Barcode of a product in it.",
        ),
        filter("source__erp_code", Kind::Text, "s.erp_code = {}", "ERP code of the location that sends."),
        filter("destination__erp_code", Kind::Text, "d.erp_code = {}", "ERP code of the location that packs."),
        // Either end.
        filter(
            "erp_code",
            Kind::Text,
            "{} in (s.erp_code, d.erp_code)",
            "ERP code of the location that sends or packs.",
        ),
        filter(
            "retail_store__erp_code",
            Kind::Text,
            "o.details->'retail_store'->>'erp_code' = {}",
            "ERP code of the store where the customer collects it.",
        ),
        filter(
            "order__customer__first_name",
            Kind::Contains,
            "has_part(o.customer_first_name, {})",
            "Part of the customer's first name, in any case and with any accents.",
        ),
        filter(
            "order__customer__last_name",
            Kind::Contains,
            "has_part(o.customer_last_name, {})",
            "Part of the customer's last name, in any case and with any accents.",
        ),
        filter(
            "order__date_placed",
            Kind::Day,
            "o.date_placed >= {} and o.date_placed < {end}",
            "Day on which the order was placed, in the time zone of `tz`.",
        ),
        filter(
            "order__date_placed__gte",
            Kind::DateTime,
            "o.date_placed >= {}",
            "Of an order placed at this moment or later.",
        ),
        filter(
            "order__date_placed__lte",
            Kind::DateTime,
            "o.date_placed <= {}",
            "Of an order placed at this moment or earlier.",
        ),
        filter("id__gt", Kind::Integer, "t.id > {}", "Ids greater than this one."),
        filter("id__gte", Kind::Integer, "t.id >= {}", "This id and greater ones."),
        filter("id__lt", Kind::Integer, "t.id < {}", "Ids smaller than this one."),
        filter("id__lte", Kind::Integer, "t.id <= {}", "This id and smaller ones."),
        filter("pk__in", Kind::Integers, "t.id = any({})", "Ids, separated by commas."),
        filter("order__channel", Kind::Integer, "o.channel_id = {}", "The upstream's key of the order's channel."),
        filter(
            "package__shipment__cargo_company",
            Kind::Integer,
            "exists (select from shipments h where h.package_id = t.package_id and h.cargo_company_id = {})",
            "Id of the cargo company that carries the package.",
        ),
        filter(
            "package__shipment__awb_number",
            Kind::Text,
            "exists (select from shipments h where h.package_id = t.package_id and h.tracking_number = {})",
            "Tracking number of the package's shipment.",
        ),
        // An address has the name itself, or an object with it.
        filter(
            "destination__country",
            Kind::Text,
            "{} in (d.address->>'country', d.address #>> '{country,name}', d.address #>> '{country,code}')",
            "Name or code of the destination's country.",
        ),
        filter(
            "destination__city",
            Kind::Text,
            "{} in (d.address->>'city', d.address #>> '{city,name}')",
            "Name of the destination's city.",
        ),
        filter(
            "destination__township",
            Kind::Text,
            "{} in (d.address->>'township', d.address #>> '{township,name}')",
            "Name of the destination's township.",
        ),
        filter("created_date__gte", Kind::DateTime, "t.created_date >= {}", "Created at this moment or later."),
        filter("created_date__lte", Kind::DateTime, "t.created_date <= {}", "Created at this moment or earlier."),
    ],
    sorts: &[
        ("id", "t.id"),
        ("created_date", "t.created_date"),
        ("modified_date", "t.modified_date"),
        ("order_id", "p.order_id"),
    ],
    default_sort: "-id",
    tie_breaker: "t.id desc",
};

/// A transfer in the short list: related objects by their keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferSummary {
    id: i64,
    /// `<package>T<n>`.
    number: String,
    /// The state's `enum_value`.
    state: String,
    order: i64,
    order_number: String,
    package: i64,
    package_number: String,
    source: i64,
    source_erp_code: String,
    destination: i64,
    destination_erp_code: String,
    transferitem_count: i64,
    created_date: Timestamp,
    modified_date: Timestamp,
}

/// Reads transfers for the short list, in the order of `ids`.
///
/// # Errors
/// When the database fails.
pub async fn load_summaries(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<TransferSummary>> {
    let rows = sqlx::query_as!(
        TransferSummary,
        r#"select t.id, t.number, st.enum_value as state, p.order_id as "order", o.number as order_number,
                  t.package_id as package, p.number as package_number, t.source_location_id as source,
                  s.erp_code as source_erp_code, t.destination_location_id as destination,
                  d.erp_code as destination_erp_code,
                  (select count(*) from transfer_items i where i.transfer_id = t.id) as "transferitem_count!",
                  t.created_date, t.modified_date
             from unnest($1::bigint[]) with ordinality as wanted(id, n)
             join transfers t on t.id = wanted.id
             join states st on st.id = t.state_id
             join packages p on p.id = t.package_id
             join orders o on o.id = p.order_id
             join stock_locations s on s.id = t.source_location_id
             join stock_locations d on d.id = t.destination_location_id
            order by wanted.n"#,
        ids
    );
    Ok(rows.fetch_all(connection).await?)
}

/// The list of what transfers carry.
pub const ITEMS: List = List {
    from: " from transfer_items i join transfers t on t.id = i.transfer_id join packages p on p.id = t.package_id \
           join package_items pi on pi.id = i.package_item_id join order_items oi on oi.id = pi.order_item_id",
    columns: "i.id",
    visible: "array[t.source_location_id, t.destination_location_id] && {}",
    filters: &[
        filter("transfer_order", Kind::Integer, "i.transfer_id = {}", "Id of the transfer."),
        // The product's key at the upstream.
        filter(
            "product",
            Kind::Integer,
            "oi.product->'pk' = to_jsonb({}::bigint)",
            "The upstream's key of the product.",
        ),
        filter("product_sku", Kind::Text, "oi.sku = {}", "SKU of the product."),
        filter("quantity", Kind::Integer, "i.quantity = {}", "Exactly this quantity."),
        filter("quantity__gt", Kind::Integer, "i.quantity > {}", "A quantity greater than this one."),
        filter("quantity__gte", Kind::Integer, "i.quantity >= {}", "This quantity or a greater one."),
        filter("quantity__lt", Kind::Integer, "i.quantity < {}", "A quantity smaller than this one."),
        filter("quantity__lte", Kind::Integer, "i.quantity <= {}", "This quantity or a smaller one."),
    ],
    sorts: &[
        ("id", "i.id"),
        ("modified_date", "i.modified_date"),
        ("created_date", "i.created_date"),
        ("order_id", "p.order_id"),
    ],
    default_sort: "-id",
    tie_breaker: "i.id desc",
};
