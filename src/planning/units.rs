//! Units of order items, as plans name them: of most items all there are, and of some a part.

use std::collections::BTreeMap;

/// Units of order items, by id.
pub type Units = BTreeMap<i64, i64>;

/// The units of some items: those of `parts`, and of the others all there are.
#[must_use]
pub fn units_of(order_item_ids: &[i64], parts: &Units, whole: &Units) -> Units {
    let of = |id: &i64| parts.get(id).or_else(|| whole.get(id)).copied().unwrap_or(0);
    order_item_ids.iter().map(|id| (*id, of(id))).collect()
}

/// Of some units those that are not all of their item.
#[must_use]
pub fn parts_of(units: &Units, whole: &Units) -> Units {
    let in_part = units.iter().filter(|(id, units)| whole.get(id) != Some(units));
    in_part.map(|(id, units)| (*id, *units)).collect()
}
