//! The lanes of a channel: the order of its vertical lines, chosen for few crossings.

/// An end of a line in a channel: where it turns into or out of its lane.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// The height of the horizontal piece.
    pub(super) y: i32,
    /// True if that piece is on the right of the lane.
    pub(super) is_right: bool,
}

/// The passes of improvement; each costs the square of the number of lanes.
const MAX_PASSES: usize = 12;

/// With more lanes than this their order is not improved: no reader follows so many.
const MAX_SORTED_LANES: usize = 120;

/// The order of lanes, from the left, with few crossings: each lane is taken out and put where it crosses least, until
/// nothing improves.
pub(super) fn order(lanes: &[Vec<End>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    if lanes.len() > MAX_SORTED_LANES {
        return order;
    }
    let costs: Vec<Vec<i32>> =
        lanes.iter().map(|left| lanes.iter().map(|right| crossings(left, right)).collect()).collect();
    for _ in 0..MAX_PASSES {
        let before = order.clone();
        for lane in 0..lanes.len() {
            sift(&mut order, lane, &costs);
        }
        if order == before {
            break;
        }
    }
    order
}

/// Moves one lane to its best place. Going from left to right, the cost changes with each neighbour that is passed.
fn sift(order: &mut Vec<usize>, lane: usize, costs: &[Vec<i32>]) {
    let Some(current) = order.iter().position(|other| *other == lane) else {
        return;
    };
    order.remove(current);
    let mut changes = Vec::with_capacity(order.len() + 1);
    let mut change = 0;
    changes.push(change);
    for other in order.iter() {
        change += costs[*other][lane] - costs[lane][*other];
        changes.push(change);
    }
    let best = changes.iter().min().copied().unwrap_or(0);
    let is_best_already = changes.get(current) == Some(&best);
    let place = if is_best_already {
        current
    } else {
        let cheapest = changes.iter().position(|change| *change == best);
        cheapest.unwrap_or(current)
    };
    order.insert(place, lane);
}

/// The number of crossings of two lanes if the one is left of the other: pieces to the right from the left lane cross
/// the right one, pieces to the left from the right lane cross the left one.
fn crossings(left: &[End], right: &[End]) -> i32 {
    let crossing = |from: &[End], goes_right: bool, over: &[End]| {
        let (Some(top), Some(bottom)) = (over.iter().map(|end| end.y).min(), over.iter().map(|end| end.y).max()) else {
            return 0;
        };
        from.iter().filter(|end| end.is_right == goes_right && (top..=bottom).contains(&end.y)).map(|_| 1).sum()
    };
    crossing(left, true, right) + crossing(right, false, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn end(y: i32, is_right: bool) -> End {
        End { y, is_right }
    }

    #[test]
    fn arcs_on_one_side_are_nested() {
        // Boxes on the left of the channel: the short arc must be nearer to them.
        let long = vec![end(0, false), end(100, false)];
        let short = vec![end(40, false), end(60, false)];
        assert_eq!(crossings(&long, &short), 2);
        assert_eq!(crossings(&short, &long), 0);
        assert_eq!(order(&[long.clone(), short.clone()]), [1, 0]);
        assert_eq!(order(&[short, long]), [0, 1]);
    }

    #[test]
    fn order_is_a_permutation_of_any_number_of_lanes() {
        for count in [0, 1, 7, MAX_SORTED_LANES + 1] {
            let lanes: Vec<Vec<End>> = (0..count)
                .map(|lane| {
                    let lane = i32::try_from(lane).expect("few lanes");
                    vec![end(lane * 7 % 31, lane % 2 == 0), end(lane * 13 % 31, lane % 3 == 0)]
                })
                .collect();
            let mut order = order(&lanes);
            order.sort_unstable();
            assert_eq!(order, (0..count).collect::<Vec<_>>());
        }
    }
}
