//! The list of packages.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    db::PgConnection,
    error::Result,
    page::{Kind, List, filter},
    wire::Timestamp,
};

/// The list of packages.
pub const LIST: List = List {
    from: " from packages p join orders o on o.id = p.order_id",
    columns: "p.id",
    visible: "p.stock_location_id = any({})",
    // By the names of the Akinon OMS where they are known.
    filters: &[
        filter("state", Kind::Integer, "p.state_id = {}", "Id of the state."),
        filter("state__in", Kind::Integers, "p.state_id = any({})", "Ids of states, separated by commas."),
        filter(
            "state__enum_value",
            Kind::Text,
            "p.state_id in (select id from states where entity = 'package' and enum_value = {})",
            "The stable code of the state, as `100`.",
        ),
        filter(
            "state__enum_value__in",
            Kind::Texts,
            "p.state_id in (select id from states where entity = 'package' and enum_value = any({}))",
            "Stable codes of states, separated by commas.",
        ),
        filter(
            "state__enum_value__not",
            Kind::Text,
            "p.state_id not in (select id from states where entity = 'package' and enum_value = {})",
            "Any state but the one with this stable code.",
        ),
        filter("order", Kind::Integer, "p.order_id = {}", "Id of the order."),
        filter("order__in", Kind::Integers, "p.order_id = any({})", "Ids of orders, separated by commas."),
        filter("stock_location", Kind::Integer, "p.stock_location_id = {}", "Id of the stock location."),
        filter(
            "stock_location__in",
            Kind::Integers,
            "p.stock_location_id = any({})",
            "Ids of stock locations, separated by commas.",
        ),
        filter(
            "stock_location__erp_code",
            Kind::Text,
            "p.stock_location_id in (select id from stock_locations where erp_code = {})",
            "ERP code of the stock location.",
        ),
        filter(
            "stock_location__erp_code__in",
            Kind::Texts,
            "p.stock_location_id in (select id from stock_locations where erp_code = any({}))",
            "ERP codes of stock locations, separated by commas.",
        ),
        filter(
            "stock_location__stock_location_type",
            Kind::Text,
            "p.stock_location_id in (select id from stock_locations where stock_location_type = {})",
            "`store` or `warehouse`: the kind of the stock location.",
        ),
        filter("number", Kind::Text, "p.number = {}", "Number of the package."),
        filter("number__in", Kind::Texts, "p.number = any({})", "Numbers, separated by commas."),
        filter("order__number", Kind::Prefix, "o.number like {}", "The beginning of the order's number."),
        filter("order__number__in", Kind::Texts, "o.number = any({})", "Numbers of orders, separated by commas."),
        filter("order__omnitron_id", Kind::Integer, "o.omnitron_id = {}", "The upstream's key of the order."),
        filter(
            "order__omnitron_id__in",
            Kind::Integers,
            "o.omnitron_id = any({})",
            "The upstream's keys of orders, separated by commas.",
        ),
        filter("created_date__gt", Kind::DateTime, "p.created_date > {}", "Created after this moment."),
        filter("created_date__gte", Kind::DateTime, "p.created_date >= {}", "Created at this moment or later."),
        filter("created_date__lt", Kind::DateTime, "p.created_date < {}", "Created before this moment."),
        filter("created_date__lte", Kind::DateTime, "p.created_date <= {}", "Created at this moment or earlier."),
        filter("modified_date__gt", Kind::DateTime, "p.modified_date > {}", "Changed last after this moment."),
        filter("modified_date__gte", Kind::DateTime, "p.modified_date >= {}", "Changed last at this moment or later."),
        filter("modified_date__lt", Kind::DateTime, "p.modified_date < {}", "Changed last before this moment."),
        filter(
            "modified_date__lte",
            Kind::DateTime,
            "p.modified_date <= {}",
            "Changed last at this moment or earlier.",
        ),
        filter(
            "shipment__created_date__gt",
            Kind::DateTime,
            "exists (select from shipments s where s.package_id = p.id and s.created_date > {})",
            "Shipment made after this moment.",
        ),
        filter(
            "shipment__created_date__gte",
            Kind::DateTime,
            "exists (select from shipments s where s.package_id = p.id and s.created_date >= {})",
            "Shipment made at this moment or later.",
        ),
        filter(
            "shipment__created_date__lt",
            Kind::DateTime,
            "exists (select from shipments s where s.package_id = p.id and s.created_date < {})",
            "Shipment made before this moment.",
        ),
        filter(
            "shipment__created_date__lte",
            Kind::DateTime,
            "exists (select from shipments s where s.package_id = p.id and s.created_date <= {})",
            "Shipment made at this moment or earlier.",
        ),
        filter(
            "shipment__cargo_company",
            Kind::Integer,
            "exists (select from shipments s where s.package_id = p.id and s.cargo_company_id = {})",
            "Id of the shipment's cargo company.",
        ),
        filter(
            "shipment__cargo_company__in",
            Kind::Integers,
            "exists (select from shipments s where s.package_id = p.id and s.cargo_company_id = any({}))",
            "Ids of shipments' cargo companies, separated by commas.",
        ),
        filter(
            "shipment__tracking_number",
            Kind::Text,
            "exists (select from shipments s where s.package_id = p.id and s.tracking_number = {})",
            "Tracking number of the shipment.",
        ),
        filter(
            "product_sku",
            Kind::Text,
            "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.sku = {})",
            "SKU of a product in it.",
        ),
        filter(
            "product_sku__in",
            Kind::Texts,
            "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.sku = any({}))",
            "SKUs, one of which is in it, separated by commas.",
        ),
        filter(
            "product_barcode",
            Kind::Text,
            "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.product ? 'barcode' and oi.product->>'barcode' = {})",
            "Barcode of a product in it.",
        ),
        filter(
            "packageitem__order_item__omnitron_id",
            Kind::Integer,
            "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.omnitron_id = {})",
            "The upstream's key of an order item in it.",
        ),
        filter(
            "packageitem__order_item__omnitron_id__in",
            Kind::Integers,
            "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.omnitron_id = any({}))",
            "The upstream's keys of order items, one of which is in it, separated by commas.",
        ),
        filter("order__channel", Kind::Integer, "o.channel_id = {}", "The upstream's key of the order's channel."),
        filter(
            "order__channel__in",
            Kind::Integers,
            "o.channel_id = any({})",
            "The upstream's keys of channels, separated by commas.",
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
        filter("order__date_placed__gt", Kind::DateTime, "o.date_placed > {}", "Of an order placed after this moment."),
        filter(
            "order__date_placed__gte",
            Kind::DateTime,
            "o.date_placed >= {}",
            "Of an order placed at this moment or later.",
        ),
        filter(
            "order__date_placed__lt",
            Kind::DateTime,
            "o.date_placed < {}",
            "Of an order placed before this moment.",
        ),
        filter(
            "order__date_placed__lte",
            Kind::DateTime,
            "o.date_placed <= {}",
            "Of an order placed at this moment or earlier.",
        ),
        filter("order__delivery_type", Kind::Text, "o.delivery_type = {}", "The order's `delivery_type`."),
        filter(
            "order__has_gift_box",
            Kind::Boolean,
            "coalesce(o.details->'has_gift_box' = 'true', false) = {}",
            "Whether the order is to be packed as a gift.",
        ),
        filter(
            "order__shipping_option_slug__in",
            Kind::Texts,
            "o.shipping_option_slug = any({})",
            "Slugs of shipping options, separated by commas.",
        ),
        filter(
            "order__shipping_option_slug__not_in",
            Kind::Texts,
            "(o.shipping_option_slug = any({})) is not true",
            "No shipping option with one of these slugs, separated by commas.",
        ),
        // When the customer wants it: what begins at or after, ends at or before, touches a day, or holds a moment.
        filter(
            "order__delivery_range__lower",
            Kind::DateTime,
            "o.delivery_from >= {}",
            "The delivery range begins at this moment or later.",
        ),
        filter(
            "order__delivery_range__upper",
            Kind::DateTime,
            "o.delivery_until <= {}",
            "The delivery range ends at this moment or earlier.",
        ),
        filter(
            "order__delivery_range__date",
            Kind::Day,
            "coalesce(o.delivery_from, o.delivery_until) < {end} and coalesce(o.delivery_until, o.delivery_from) >= {}",
            "Day that the delivery range touches, in the time zone of `tz`.",
        ),
        filter(
            "delivery_range",
            Kind::DateTime,
            "coalesce(o.delivery_from, o.delivery_until) <= {} and coalesce(o.delivery_until, o.delivery_from) >= {}",
            "Moment that is in the delivery range.",
        ),
        // The customer comes for it: the order names a store, or its way of delivery says so.
        filter(
            "is_click_and_collect",
            Kind::Boolean,
            "(coalesce(jsonb_typeof(o.details->'retail_store') = 'object', false) or coalesce(o.delivery_type in ('click_and_collect', 'pickup'), false)) = {}",
            "Whether the customer collects it in a store.",
        ),
        // Places are {"pk", "name"} in an order, or a plain text.
        filter(
            "order__shipping_address__country",
            Kind::Integer,
            "o.details #> '{shipping_address,country,pk}' = to_jsonb({}::bigint)",
            "The upstream's key of the delivery address's country.",
        ),
        filter(
            "order__shipping_address__country__name",
            Kind::Contains,
            "has_part(coalesce(o.details #>> '{shipping_address,country,name}', o.details #>> '{shipping_address,country}'), {})",
            "Part of the name of the delivery address's country, in any case and with any accents.",
        ),
        filter(
            "order__shipping_address__city",
            Kind::Integer,
            "o.details #> '{shipping_address,city,pk}' = to_jsonb({}::bigint)",
            "The upstream's key of the delivery address's city.",
        ),
        filter(
            "order__shipping_address__city__name",
            Kind::Contains,
            "has_part(coalesce(o.details #>> '{shipping_address,city,name}', o.details #>> '{shipping_address,city}'), {})",
            "Part of the name of the delivery address's city, in any case and with any accents.",
        ),
        filter(
            "order__shipping_address__township",
            Kind::Integer,
            "o.details #> '{shipping_address,township,pk}' = to_jsonb({}::bigint)",
            "The upstream's key of the delivery address's township.",
        ),
        filter(
            "order__shipping_address__township__name",
            Kind::Contains,
            "has_part(coalesce(o.details #>> '{shipping_address,township,name}', o.details #>> '{shipping_address,township}'), {})",
            "Part of the name of the delivery address's township, in any case and with any accents.",
        ),
        filter(
            "order__shipping_address__country__code",
            Kind::Text,
            "o.details #>> '{shipping_address,country,code}' = {}",
            "Code of the delivery address's country.",
        ),
        filter(
            "order__retail_store__erp_code",
            Kind::Text,
            "o.details #>> '{retail_store,erp_code}' = {}",
            "ERP code of the store where the customer collects it.",
        ),
        filter(
            "stock_location_or_retail_store__erp_code",
            Kind::Text,
            "(p.stock_location_id in (select id from stock_locations where erp_code = {}) or o.details #>> '{retail_store,erp_code}' = {})",
            "ERP code of the stock location, or of the store where the customer collects it.",
        ),
        filter("id", Kind::Integer, "p.id = {}", "Its id."),
        filter("id__in", Kind::Integers, "p.id = any({})", "Ids, separated by commas."),
        filter("id__gt", Kind::Integer, "p.id > {}", "Ids greater than this one."),
        filter("id__gte", Kind::Integer, "p.id >= {}", "This id and greater ones."),
        filter("id__lt", Kind::Integer, "p.id < {}", "Ids smaller than this one."),
        filter("id__lte", Kind::Integer, "p.id <= {}", "This id and smaller ones."),
        filter("pk__in", Kind::Integers, "p.id = any({})", "Ids, separated by commas."),
        // What became of it by a plan of the upstream: cancelled, waiting or refused.
        filter(
            "cancellation_failure_status",
            Kind::Text,
            "exists (select from cancellation_plan_packages c where c.package_id = p.id and c.outcome = {})",
            "`waiting` or `refused`: what a cancellation plan came to that did not cancel the package.",
        ),
    ],
    sorts: &[
        ("id", "p.id"),
        ("created_date", "p.created_date"),
        ("modified_date", "p.modified_date"),
        ("order_id", "p.order_id"),
        ("order", "p.order_id"),
        ("order__number", "o.number"),
        ("number", "p.number"),
        ("state", "p.state_id"),
        ("stock_location", "p.stock_location_id"),
        ("date_placed", "o.date_placed"),
    ],
    default_sort: "-id",
    tie_breaker: "p.id desc",
};

/// A package in the short list: related objects by their keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageSummary {
    id: i64,
    number: String,
    /// The state's `enum_value`.
    state: String,
    stock_location: i64,
    stock_location_erp_code: String,
    order: i64,
    order_number: String,
    shipment: Option<i64>,
    packageitem_count: i64,
    created_date: Timestamp,
    modified_date: Timestamp,
}

/// Reads packages for the short list, in the order of `ids`.
///
/// # Errors
/// When the database fails.
pub async fn load_summaries(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<PackageSummary>> {
    let rows = sqlx::query_as!(
        PackageSummary,
        r#"select p.id, p.number, st.enum_value as state, p.stock_location_id as stock_location,
                  l.erp_code as stock_location_erp_code, p.order_id as "order", o.number as order_number,
                  s.id as "shipment?",
                  (select count(*) from package_items i where i.package_id = p.id) as "packageitem_count!",
                  p.created_date, p.modified_date
             from unnest($1::bigint[]) with ordinality as wanted(id, n)
             join packages p on p.id = wanted.id
             join states st on st.id = p.state_id
             join stock_locations l on l.id = p.stock_location_id
             join orders o on o.id = p.order_id
             left join shipments s on s.package_id = p.id
            order by wanted.n"#,
        ids
    );
    Ok(rows.fetch_all(connection).await?)
}
