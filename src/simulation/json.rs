//! The report as data.

use serde_json::{Map, Value, json};

use super::{Comparison, LocationTally, Tally, text};

/// The totals of both sides, orders by their number of packages, packages by distance, and every location.
#[must_use]
pub fn report(comparison: &Comparison) -> Value {
    let Comparison { before, after, changed, not_kept, names } = comparison;
    let totals: Map<String, Value> = text::summary(comparison)
        .into_iter()
        .map(|row| (row.name.replace(' ', "_"), json!({ "before": row.before, "after": row.after })))
        .collect();
    let locations: Vec<Value> = comparison
        .locations()
        .into_iter()
        .map(|(id, before, after)| {
            let (erp_code, name) = names.get(&id).cloned().unzip();
            json!({ "id": id, "erp_code": erp_code, "name": name, "before": location(&before), "after": location(&after) })
        })
        .collect();
    json!({
        "orders": before.orders,
        "orders_elsewhere": changed,
        "orders_left_out": not_kept,
        "totals": totals,
        "orders_by_packages": { "before": by_packages(before), "after": by_packages(after) },
        "packages_by_distance": text::distance_labels().iter().enumerate().map(|(at, label)| {
            json!({ "up_to": label, "before": before.by_distance[at], "after": after.by_distance[at] })
        }).collect::<Vec<Value>>(),
        "locations": locations,
    })
}

fn location(tally: &LocationTally) -> Value {
    json!({ "packages": tally.packages, "items": tally.items, "beyond_quota": tally.beyond_quota })
}

fn by_packages(tally: &Tally) -> Map<String, Value> {
    tally.by_packages.iter().map(|(packages, orders)| (packages.to_string(), json!(orders))).collect()
}
