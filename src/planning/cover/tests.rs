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
            lines.into_iter().map(|(sku, quantity)| Line { sku, quantity, stands_for: 1 }).collect();
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
            .map(|(can, stock)| Taker { can, has_parcel: false, is_used: false, cost: 1, stock })
            .collect();
        let terms = Terms { by_stock: true, ..Terms::default() };
        let mut effort = Effort::of_a_rule();
        let task = Task::new(&lines, &takers, terms, usize::MAX, &mut effort);
        let choice = task.greedy(&mut effort);
        let chosen = choice.takers.len();
        let given = task.give(&choice, &mut effort);
        let exact = cover(&lines, &takers, terms);

        let locations = |given: &[Vec<Part>]| {
            given.iter().flatten().map(|(taker, _)| *taker).collect::<BTreeSet<_>>().len()
        };
        prop_assert_eq!(given.iter().flatten().count(), exact.given.iter().flatten().count());
        prop_assert_eq!(locations(&given), chosen, "none is chosen in vain");
        prop_assert!(locations(&exact.given) <= chosen);
        for (taker, stock) in stock.iter().enumerate() {
            for (sku, stock) in stock.iter().enumerate() {
                let of_both = lines.iter().zip(&given).filter(|(line, to)| {
                    line.sku == sku && to.iter().any(|(to, _)| *to == taker)
                });
                prop_assert!(of_both.map(|(line, _)| line.quantity).sum::<i64>() <= *stock);
            }
        }
    }

    #[test]
    fn divided_lines_are_placed_as_lines_of_one_unit_each_would_be(
        (lines, stock, costs) in (
            vec((0..2_usize, 1..=4_i64, 0..64_u64), 1..=3),
            vec((vec(0..=4_i64, 2), any::<bool>()), 1..=6),
            vec(1..=3_i64, 6),
        ),
        most_new in proptest::option::of(0..=3_usize),
    ) {
        let may = |line: usize, taker: usize| lines[line].2 & (1 << taker) != 0;
        let whole: Vec<Line> = lines.iter().map(|(sku, quantity, _)| Line { sku: *sku, quantity: *quantity, stands_for: 1 }).collect();
        // Each unit of a line as a line.
        let of_unit: Vec<usize> =
            whole.iter().enumerate().flat_map(|(at, line)| (0..line.quantity).map(move |_| at)).collect();
        let ones: Vec<Line> = of_unit.iter().map(|at| Line { sku: whole[*at].sku, quantity: 1, stands_for: 1 }).collect();
        let can = |lines: &[usize]| -> Vec<Bits> {
            let of_taker = |(taker, (stock, _)): (usize, &(Vec<i64>, bool))| {
                let mut can = Bits::none(lines.len());
                for (number, line) in lines.iter().enumerate() {
                    if may(*line, taker) && stock[whole[*line].sku] > 0 {
                        can.insert(number);
                    }
                }
                can
            };
            stock.iter().enumerate().map(of_taker).collect()
        };
        let takers = |can: &'_ [Bits]| -> Vec<(usize, bool, i64)> {
            can.iter().enumerate().map(|(at, _)| (at, stock[at].1, if stock[at].1 { 0 } else { costs[at] })).collect()
        };
        let solve = |lines: &[Line], can: &[Bits], divides: bool| {
            let takers: Vec<Taker> = takers(can)
                .into_iter()
                .map(|(at, has_parcel, cost)| Taker { can: &can[at], has_parcel, is_used: false, cost, stock: &stock[at].0 })
                .collect();
            cover(lines, &takers, Terms { by_stock: true, divides, most_new })
        };
        let of_lines: Vec<usize> = (0..whole.len()).collect();
        let (divided, alone) = (solve(&whole, &can(&of_lines), true), solve(&ones, &can(&of_unit), false));
        // What is chosen: units, cost, new parcels, locations, ranks.
        let worth = |given: &[Vec<Part>]| {
            let used: BTreeSet<usize> = given.iter().flatten().map(|(taker, _)| *taker).collect();
            let units: i64 = given.iter().flatten().map(|(_, units)| *units).sum();
            let new: Vec<usize> = used.iter().copied().filter(|taker| !stock[*taker].1).collect();
            (units, new.iter().map(|taker| costs[*taker]).sum::<i64>(), new.len(), used.len(), used)
        };
        prop_assert!(divided.exact && alone.exact);
        prop_assert_eq!(worth(&divided.given), worth(&alone.given));
        for (line, parts) in divided.given.iter().enumerate() {
            prop_assert!(parts.iter().map(|(_, units)| *units).sum::<i64>() <= whole[line].quantity);
            prop_assert!(parts.iter().all(|(taker, units)| *units > 0 && may(line, *taker)));
            let takers: BTreeSet<usize> = parts.iter().map(|(taker, _)| *taker).collect();
            prop_assert_eq!(takers.len(), parts.len(), "one part for a location");
        }
        for (taker, (stock, _)) in stock.iter().enumerate() {
            for (sku, stock) in stock.iter().enumerate() {
                let parts = whole.iter().zip(&divided.given).filter(|(line, _)| line.sku == sku);
                let taken = parts.flat_map(|(_, parts)| parts).filter(|(to, _)| *to == taker);
                prop_assert!(taken.map(|(_, units)| *units).sum::<i64>() <= *stock);
            }
        }
    }

    #[test]
    fn the_units_of_a_line_are_taken_from_as_few_of_many_locations_as_have_them(
        (quantity, stock) in (1..=60_i64, vec(0..=9_i64, 13..=30))
    ) {
        let line = [Line { sku: 0, quantity, stands_for: 1 }];
        let stock: Vec<[i64; 1]> = stock.into_iter().filter(|units| *units > 0).map(|units| [units]).collect();
        let mut can = Bits::none(1);
        can.insert(0);
        let takers: Vec<Taker> =
            stock.iter().map(|stock| Taker { can: &can, has_parcel: false, is_used: false, cost: 1, stock }).collect();
        let given = cover(&line, &takers, Terms { by_stock: true, divides: true, most_new: None });
        let mut largest_first: Vec<i64> = stock.iter().map(|stock| stock[0]).collect();
        largest_first.sort_unstable_by_key(|units| Reverse(*units));
        let all: i64 = largest_first.iter().sum();
        let mut left = quantity.min(all);
        let fewest = largest_first.iter().take_while(|units| { let wants = left > 0; left -= **units; wants }).count();
        let parts = &given.given[0];
        prop_assert_eq!(parts.iter().map(|(_, units)| *units).sum::<i64>(), quantity.min(all));
        prop_assert!(parts.iter().all(|(taker, units)| *units <= stock[*taker][0]));
        prop_assert!(parts.len() >= fewest && (!given.exact || parts.len() == fewest), "{} for {fewest}", parts.len());
    }
}
