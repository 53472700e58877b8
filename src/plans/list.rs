//! The list of planning records.

use crate::page::{Kind, List, filter};

/// The list of planning records: one an order that was planned. A caller with locations of their own sees those of
/// orders that have a package there.
pub const LIST: List = List {
    from: " from (select * from orders o
                   where exists (select from order_plans p where p.order_id = o.id)) o",
    columns: "o.id",
    visible: "exists (select from packages p where p.order_id = o.id and p.stock_location_id = any({}))",
    filters: &[
        filter("order", Kind::Integer, "o.id = {}", "Id of the order."),
        filter("order__number", Kind::Text, "o.number = {}", "Number of the order."),
        filter("order__number__in", Kind::Texts, "o.number = any({})", "Numbers of orders, separated by commas."),
        filter(
            "scenario",
            Kind::Integer,
            "exists (select from order_plans p where p.order_id = o.id and p.scenario_id = {})",
            "Id of a scenario that planned the order.",
        ),
        filter("date_placed__gte", Kind::DateTime, "o.date_placed >= {}", "Placed at this moment or later."),
        filter("date_placed__lte", Kind::DateTime, "o.date_placed <= {}", "Placed at this moment or earlier."),
        filter("created_date__gte", Kind::DateTime, "o.created_date >= {}", "Created at this moment or later."),
        filter("created_date__lte", Kind::DateTime, "o.created_date <= {}", "Created at this moment or earlier."),
        filter("id__gt", Kind::Integer, "o.id > {}", "Ids greater than this one."),
        filter("id__lt", Kind::Integer, "o.id < {}", "Ids smaller than this one."),
        filter("pk__in", Kind::Integers, "o.id = any({})", "Ids, separated by commas."),
    ],
    sorts: &[("id", "o.id"), ("date_placed", "o.date_placed"), ("created_date", "o.created_date")],
    default_sort: "-id",
    tie_breaker: "o.id desc",
};
