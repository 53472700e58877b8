//! What the lists of packages can be filtered by.

use crate::page::{Filter, Kind, filter};

/// The documented filters of `GET /packages/`, by the names of the Akinon OMS where they are known.
pub const FILTERS: &[Filter] = &[
    filter("state", Kind::Integer, "p.state_id = {}"),
    filter("state__in", Kind::Integers, "p.state_id = any({})"),
    filter(
        "state__enum_value",
        Kind::Text,
        "p.state_id in (select id from states where entity = 'package' and enum_value = {})",
    ),
    filter(
        "state__enum_value__in",
        Kind::Texts,
        "p.state_id in (select id from states where entity = 'package' and enum_value = any({}))",
    ),
    filter(
        "state__enum_value__not",
        Kind::Text,
        "p.state_id not in (select id from states where entity = 'package' and enum_value = {})",
    ),
    filter("order", Kind::Integer, "p.order_id = {}"),
    filter("order__in", Kind::Integers, "p.order_id = any({})"),
    filter("stock_location", Kind::Integer, "p.stock_location_id = {}"),
    filter("stock_location__in", Kind::Integers, "p.stock_location_id = any({})"),
    filter(
        "stock_location__erp_code",
        Kind::Text,
        "p.stock_location_id in (select id from stock_locations where erp_code = {})",
    ),
    filter(
        "stock_location__erp_code__in",
        Kind::Texts,
        "p.stock_location_id in (select id from stock_locations where erp_code = any({}))",
    ),
    filter(
        "stock_location__stock_location_type",
        Kind::Text,
        "p.stock_location_id in (select id from stock_locations where stock_location_type = {})",
    ),
    filter("number", Kind::Text, "p.number = {}"),
    filter("number__in", Kind::Texts, "p.number = any({})"),
    filter("order__number", Kind::Prefix, "o.number like {}"),
    filter("order__number__in", Kind::Texts, "o.number = any({})"),
    filter("order__omnitron_id", Kind::Integer, "o.omnitron_id = {}"),
    filter("order__omnitron_id__in", Kind::Integers, "o.omnitron_id = any({})"),
    filter("created_date__gt", Kind::DateTime, "p.created_date > {}"),
    filter("created_date__gte", Kind::DateTime, "p.created_date >= {}"),
    filter("created_date__lt", Kind::DateTime, "p.created_date < {}"),
    filter("created_date__lte", Kind::DateTime, "p.created_date <= {}"),
    filter("modified_date__gt", Kind::DateTime, "p.modified_date > {}"),
    filter("modified_date__gte", Kind::DateTime, "p.modified_date >= {}"),
    filter("modified_date__lt", Kind::DateTime, "p.modified_date < {}"),
    filter("modified_date__lte", Kind::DateTime, "p.modified_date <= {}"),
    filter(
        "shipment__created_date__gt",
        Kind::DateTime,
        "exists (select from shipments s where s.package_id = p.id and s.created_date > {})",
    ),
    filter(
        "shipment__created_date__gte",
        Kind::DateTime,
        "exists (select from shipments s where s.package_id = p.id and s.created_date >= {})",
    ),
    filter(
        "shipment__created_date__lt",
        Kind::DateTime,
        "exists (select from shipments s where s.package_id = p.id and s.created_date < {})",
    ),
    filter(
        "shipment__created_date__lte",
        Kind::DateTime,
        "exists (select from shipments s where s.package_id = p.id and s.created_date <= {})",
    ),
    filter(
        "shipment__cargo_company",
        Kind::Integer,
        "exists (select from shipments s where s.package_id = p.id and s.cargo_company_id = {})",
    ),
    filter(
        "shipment__cargo_company__in",
        Kind::Integers,
        "exists (select from shipments s where s.package_id = p.id and s.cargo_company_id = any({}))",
    ),
    filter(
        "shipment__tracking_number",
        Kind::Text,
        "exists (select from shipments s where s.package_id = p.id and s.tracking_number = {})",
    ),
    filter(
        "product_sku",
        Kind::Text,
        "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.sku = {})",
    ),
    filter(
        "product_sku__in",
        Kind::Texts,
        "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.sku = any({}))",
    ),
    filter(
        "product_barcode",
        Kind::Text,
        "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.product ? 'barcode' and oi.product->>'barcode' = {})",
    ),
    filter(
        "packageitem__order_item__omnitron_id",
        Kind::Integer,
        "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.omnitron_id = {})",
    ),
    filter(
        "packageitem__order_item__omnitron_id__in",
        Kind::Integers,
        "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.omnitron_id = any({}))",
    ),
    filter("order__channel", Kind::Integer, "o.channel_id = {}"),
    filter("order__channel__in", Kind::Integers, "o.channel_id = any({})"),
    filter("order__customer__first_name", Kind::Contains, "o.customer_first_name ilike {}"),
    filter("order__customer__last_name", Kind::Contains, "o.customer_last_name ilike {}"),
    filter(
        "order__date_placed",
        Kind::Day,
        "o.date_placed >= {}::timestamp at time zone 'UTC' and o.date_placed < ({}::date + 1)::timestamp at time zone 'UTC'",
    ),
    filter("order__date_placed__gt", Kind::DateTime, "o.date_placed > {}"),
    filter("order__date_placed__gte", Kind::DateTime, "o.date_placed >= {}"),
    filter("order__date_placed__lt", Kind::DateTime, "o.date_placed < {}"),
    filter("order__date_placed__lte", Kind::DateTime, "o.date_placed <= {}"),
    filter("order__delivery_type", Kind::Text, "o.delivery_type = {}"),
    filter("order__shipping_option_slug__in", Kind::Texts, "o.shipping_option_slug = any({})"),
    filter("order__shipping_option_slug__not_in", Kind::Texts, "(o.shipping_option_slug = any({})) is not true"),
    // When the customer wants it: what begins at or after, ends at or before, touches a day, or holds a moment.
    filter("order__delivery_range__lower", Kind::DateTime, "o.delivery_from >= {}"),
    filter("order__delivery_range__upper", Kind::DateTime, "o.delivery_until <= {}"),
    filter(
        "order__delivery_range__date",
        Kind::Day,
        "coalesce(o.delivery_from, o.delivery_until) < ({}::date + 1)::timestamp at time zone 'UTC' and coalesce(o.delivery_until, o.delivery_from) >= {}::timestamp at time zone 'UTC'",
    ),
    filter(
        "delivery_range",
        Kind::DateTime,
        "coalesce(o.delivery_from, o.delivery_until) <= {} and coalesce(o.delivery_until, o.delivery_from) >= {}",
    ),
    // The customer comes for it: the order names a store, or its way of delivery says so.
    filter(
        "is_click_and_collect",
        Kind::Boolean,
        "(coalesce(jsonb_typeof(o.details->'retail_store') = 'object', false) or coalesce(o.delivery_type in ('click_and_collect', 'pickup'), false)) = {}",
    ),
    // Places are {"pk", "name"} in an order, or a plain text.
    filter(
        "order__shipping_address__country",
        Kind::Integer,
        "o.details #> '{shipping_address,country,pk}' = to_jsonb({}::bigint)",
    ),
    filter(
        "order__shipping_address__country__name",
        Kind::Contains,
        "coalesce(o.details #>> '{shipping_address,country,name}', o.details #>> '{shipping_address,country}') ilike {}",
    ),
    filter(
        "order__shipping_address__city",
        Kind::Integer,
        "o.details #> '{shipping_address,city,pk}' = to_jsonb({}::bigint)",
    ),
    filter(
        "order__shipping_address__city__name",
        Kind::Contains,
        "coalesce(o.details #>> '{shipping_address,city,name}', o.details #>> '{shipping_address,city}') ilike {}",
    ),
    filter(
        "order__shipping_address__township",
        Kind::Integer,
        "o.details #> '{shipping_address,township,pk}' = to_jsonb({}::bigint)",
    ),
    filter(
        "order__shipping_address__township__name",
        Kind::Contains,
        "coalesce(o.details #>> '{shipping_address,township,name}', o.details #>> '{shipping_address,township}') ilike {}",
    ),
    filter(
        "order__shipping_address__country__code",
        Kind::Text,
        "o.details #>> '{shipping_address,country,code}' = {}",
    ),
    filter("order__retail_store__erp_code", Kind::Text, "o.details #>> '{retail_store,erp_code}' = {}"),
    filter(
        "stock_location_or_retail_store__erp_code",
        Kind::Text,
        "(p.stock_location_id in (select id from stock_locations where erp_code = {}) or o.details #>> '{retail_store,erp_code}' = {})",
    ),
    filter("id", Kind::Integer, "p.id = {}"),
    filter("id__in", Kind::Integers, "p.id = any({})"),
    filter("id__gt", Kind::Integer, "p.id > {}"),
    filter("id__gte", Kind::Integer, "p.id >= {}"),
    filter("id__lt", Kind::Integer, "p.id < {}"),
    filter("id__lte", Kind::Integer, "p.id <= {}"),
    filter("pk__in", Kind::Integers, "p.id = any({})"),
    // What became of it by a plan of the upstream: cancelled, waiting or refused.
    filter(
        "cancellation_failure_status",
        Kind::Text,
        "exists (select from cancellation_plan_packages c where c.package_id = p.id and c.outcome = {})",
    ),
];
