//! The heuristic, where the exact choice can still be made.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::*;

proptest! {
    #[test]
    fn the_heuristic_for_many_locations_places_as_much_as_the_exact_choice(
        (lines, stock) in (vec((0..3_usize, 1..=4_i64), 1..=7), vec(vec(0..=6_i64, 3), 1..=7))
    ) {
        let lines: Vec<Line> =
            lines.into_iter().map(|(sku, quantity)| Line { sku, quantity }).collect();
        let can: Vec<Bits> = stock
            .iter()
            .map(|stock| {
                let mut can = Bits::none(lines.len());
                for (at, line) in lines.iter().enumerate() {
                    if line.quantity <= stock[line.sku] {
                        can.insert(at);
                    }
                }
                can
            })
            .collect();
        let takers: Vec<Taker> = can
            .iter()
            .zip(&stock)
            .map(|(can, stock)| Taker { can, has_parcel: false, cost: 1, stock })
            .collect();
        let mut effort = Effort::of_a_rule();
        let task = Task::new(&lines, &takers, true, None, &mut effort);
        let choice = task.greedy(&mut effort);
        let chosen = choice.takers.len();
        let given = task.give(choice, &mut effort);
        let exact = cover(&lines, &takers, true, None);

        let locations = |given: &[Option<usize>]| {
            given.iter().flatten().collect::<BTreeSet<_>>().len()
        };
        prop_assert_eq!(given.iter().flatten().count(), exact.given.iter().flatten().count());
        prop_assert_eq!(locations(&given), chosen, "none is chosen in vain");
        prop_assert!(locations(&exact.given) <= chosen);
        for (taker, stock) in stock.iter().enumerate() {
            for (sku, stock) in stock.iter().enumerate() {
                let of_both = lines.iter().zip(&given).filter(|(line, to)| {
                    line.sku == sku && **to == Some(taker)
                });
                prop_assert!(of_both.map(|(line, _)| line.quantity).sum::<i64>() <= *stock);
            }
        }
    }
}
