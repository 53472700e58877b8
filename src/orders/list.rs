//! The list of orders.

use crate::page::{Kind, List, filter};

/// The list of orders. A caller with locations of their own sees the orders that have a package there.
pub const LIST: List = List {
    from: " from orders o",
    columns: "o.id",
    visible: "exists (select from packages p where p.order_id = o.id and p.stock_location_id = any({}))",
    filters: &[
        filter("number", Kind::Text, "o.number = {}", "Its number."),
        filter("number__in", Kind::Texts, "o.number = any({})", "Numbers, separated by commas."),
        filter("omnitron_id", Kind::Integer, "o.omnitron_id = {}", "The upstream's own key."),
        filter("state", Kind::Integer, "o.state_id = {}", "Id of the state."),
        filter(
            "state__enum_value",
            Kind::Text,
            "o.state_id in (select id from states where entity = 'order' and enum_value = {})",
            "The stable code of the state, as `100`.",
        ),
        filter("channel", Kind::Integer, "o.channel_id = {}", "The upstream's key of the channel."),
        filter(
            "customer__first_name",
            Kind::Contains,
            "has_part(o.customer_first_name, {})",
            "Part of the customer's first name, in any case and with any accents.",
        ),
        filter(
            "customer__last_name",
            Kind::Contains,
            "has_part(o.customer_last_name, {})",
            "Part of the customer's last name, in any case and with any accents.",
        ),
        filter(
            "has_gift_box",
            Kind::Boolean,
            "coalesce(o.details->'has_gift_box' = 'true', false) = {}",
            "Whether it is to be packed as a gift.",
        ),
        filter(
            "product_sku",
            Kind::Text,
            "o.id in (select order_id from order_items where sku = {})",
            "SKU of a product in it.",
        ),
        filter("date_placed__gte", Kind::DateTime, "o.date_placed >= {}", "Placed at this moment or later."),
        filter("date_placed__lte", Kind::DateTime, "o.date_placed <= {}", "Placed at this moment or earlier."),
        filter("created_date__gte", Kind::DateTime, "o.created_date >= {}", "Created at this moment or later."),
        filter("created_date__lte", Kind::DateTime, "o.created_date <= {}", "Created at this moment or earlier."),
        filter("modified_date__gt", Kind::DateTime, "o.modified_date > {}", "Changed last after this moment."),
        filter("modified_date__gte", Kind::DateTime, "o.modified_date >= {}", "Changed last at this moment or later."),
        filter("modified_date__lt", Kind::DateTime, "o.modified_date < {}", "Changed last before this moment."),
        filter(
            "modified_date__lte",
            Kind::DateTime,
            "o.modified_date <= {}",
            "Changed last at this moment or earlier.",
        ),
        filter("id__gt", Kind::Integer, "o.id > {}", "Ids greater than this one."),
        filter("id__lt", Kind::Integer, "o.id < {}", "Ids smaller than this one."),
        filter("pk__in", Kind::Integers, "o.id = any({})", "Ids, separated by commas."),
    ],
    sorts: &[
        ("id", "o.id"),
        ("date_placed", "o.date_placed"),
        ("created_date", "o.created_date"),
        ("modified_date", "o.modified_date"),
        ("number", "o.number"),
        ("state", "o.state_id"),
        ("omnitron_id", "o.omnitron_id"),
    ],
    default_sort: "-id",
    tie_breaker: "o.id desc",
};
