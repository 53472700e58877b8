//! Which lines of an order are packed. A *kit* is a line whose parts are lines of their own: they are packed, and it is not. A
//! line *without goods* (a gift card, a service) is not packed either. Neither needs stock or a place.

use std::collections::HashMap;

use serde_json::Value;

use crate::reading::values;

/// What a line is to whoever packs the order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Packing {
    /// It is packed.
    #[default]
    Goods,
    /// Its parts are packed.
    Kit,
    /// There is nothing to pack.
    WithoutGoods,
}

impl Packing {
    /// Why it is not packed, as the database has it; none: it is.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Goods => None,
            Self::Kit => Some("kit"),
            Self::WithoutGoods => Some("without_goods"),
        }
    }
}

/// Keys that say that there is nothing to pack, with the value that says it.
const SAYS_NO_GOODS: [(&str, bool); 3] = [("requires_shipping", false), ("is_shippable", false), ("is_virtual", true)];
/// What `product_type` is where there is nothing to pack.
const TYPES_WITHOUT_GOODS: [&str; 4] = ["gift_card", "service", "virtual", "digital"];

/// True if one of these parts of a line says that there is nothing to pack.
#[must_use]
pub fn is_without_goods<'v>(parts: impl IntoIterator<Item = &'v Value>) -> bool {
    parts.into_iter().any(|part| {
        let says = |(key, word): &(&str, bool)| part.get(key).and_then(values::boolean) == Some(*word);
        let kind = part.get("product_type").and_then(Value::as_str).unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        SAYS_NO_GOODS.iter().any(says) || TYPES_WITHOUT_GOODS.contains(&kind.as_str())
    })
}

/// The parts of a line's product that may say it, besides the line itself.
#[must_use]
pub fn of_product(product: &Value) -> [&Value; 3] {
    [product, &product["attributes"], &product["extra_attributes"]]
}

/// Which line of an order is a part of which. Lines are numbered from 0, as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// For each line the one that it is a part of.
    parents: Vec<Option<usize>>,
}

impl Family {
    /// Of lines: the upstream's key of each, and of the line that it is a part of. A line that is not there is none, and no line
    /// is a part of itself.
    #[must_use]
    pub fn of(lines: &[(Option<i64>, Option<i64>)]) -> Self {
        if lines.iter().all(|(_, parent)| parent.is_none()) {
            return Self { parents: vec![None; lines.len()] };
        }
        let mut by_key: HashMap<i64, usize> = HashMap::new();
        for (line, (key, _)) in lines.iter().enumerate() {
            if let Some(key) = key {
                by_key.entry(*key).or_insert(line);
            }
        }
        let parents = lines.iter().enumerate().map(|(line, (_, parent))| {
            let parent = by_key.get(parent.as_ref()?).copied();
            parent.filter(|parent| *parent != line)
        });
        Self { parents: parents.collect() }
    }

    /// The lines that a line is a part of, the nearest first. It ends, even where lines are parts of each other.
    pub fn above(&self, line: usize) -> impl Iterator<Item = usize> + '_ {
        let parent = |line: usize| self.parents.get(line).copied().flatten();
        std::iter::successors(parent(line), move |above| parent(*above)).take(self.parents.len())
    }

    /// The line with which all parts belong together; none for a line that is no part.
    #[must_use]
    pub fn kit_of(&self, line: usize) -> Option<usize> {
        self.above(line).last()
    }

    /// The first line that is a part of one of its own parts.
    #[must_use]
    pub fn circle(&self) -> Option<usize> {
        (0..self.parents.len()).find(|line| self.above(*line).any(|above| above == *line))
    }

    /// What each line is. A line with parts is a kit if a part of it, or of a part, has goods: a product with a warranty is
    /// packed.
    #[must_use]
    pub fn packing(&self, is_without_goods: &[bool]) -> Vec<Packing> {
        let own = |without: &bool| if *without { Packing::WithoutGoods } else { Packing::Goods };
        let mut packing: Vec<Packing> = is_without_goods.iter().map(own).collect();
        for (line, _) in is_without_goods.iter().enumerate().filter(|(_, without)| !**without) {
            for above in self.above(line) {
                packing[above] = Packing::Kit;
            }
        }
        packing
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_says_that_there_is_nothing_to_pack() {
        for product in [
            json!({ "requires_shipping": false }),
            json!({ "is_shippable": "false" }),
            json!({ "extra_attributes": { "is_virtual": true } }),
            json!({ "attributes": { "product_type": "Gift Card" } }),
            json!({ "product_type": "digital" }),
        ] {
            assert!(is_without_goods(of_product(&product)), "{product}");
        }
        for product in [
            json!({}),
            json!({ "requires_shipping": null, "is_shippable": true, "is_virtual": 0, "product_type": "shirt" }),
            json!({ "requires_shipping": "maybe", "product_type": 3, "attributes": ["is_virtual"] }),
        ] {
            assert!(!is_without_goods(of_product(&product)), "{product}");
        }
    }

    #[test]
    fn a_line_is_a_kit_if_its_parts_have_goods() {
        use Packing::{Goods, Kit, WithoutGoods};
        let key = |key: i64| (Some(key), None);
        let part = |key: i64, of: i64| (Some(key), Some(of));
        for (lines, without, packing) in [
            (vec![key(1), part(2, 1), part(3, 1)], vec![], vec![Kit, Goods, Goods]),
            // A kit in a kit; a line that names none, or itself.
            (vec![part(3, 2), part(2, 1), key(1)], vec![], vec![Goods, Kit, Kit]),
            (vec![part(1, 9), part(2, 2), (None, None)], vec![], vec![Goods, Goods, Goods]),
            // A product with a warranty; a card of which a part is sent.
            (vec![key(1), part(2, 1)], vec![1], vec![Goods, WithoutGoods]),
            (vec![key(1), part(2, 1), part(3, 1)], vec![0, 1], vec![Kit, WithoutGoods, Goods]),
        ] {
            let is_without: Vec<bool> = (0..lines.len()).map(|line| without.contains(&line)).collect();
            assert_eq!(Family::of(&lines).packing(&is_without), packing, "{lines:?}");
        }
    }

    #[test]
    fn lines_that_are_parts_of_each_other_are_found() {
        let family = Family::of(&[(Some(1), Some(2)), (Some(2), Some(1)), (Some(3), Some(1))]);
        assert_eq!(family.circle(), Some(0));
        assert!(family.kit_of(2).is_some());
        let kits = Family::of(&[(Some(1), None), (Some(2), Some(1)), (Some(3), Some(2))]);
        assert_eq!((kits.circle(), kits.kit_of(0), kits.kit_of(1), kits.kit_of(2)), (None, None, Some(0), Some(0)));
    }
}
