//! The greedy choice, for more takers than can be tried in every set.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use super::{
    Bits, Choice, Task,
    search::Effort,
    sharing::{Placing, Sharing},
};

/// The offer of a taker, at the present state of the choice. The greatest is chosen: the least cost per line (or unit), then
/// the most lines, then the best rank. (An offer of no line is the least.)
#[derive(PartialEq, Eq)]
struct Offer {
    has_parcel: bool,
    added: i64,
    cost: i64,
    taker: usize,
}

impl Ord for Offer {
    fn cmp(&self, other: &Self) -> Ordering {
        // `cost / added`, compared without dividing.
        let weighed = |a: &Self, b: &Self| i128::from(a.cost) * i128::from(b.added);
        (self.added > 0)
            .cmp(&(other.added > 0))
            .then(self.has_parcel.cmp(&other.has_parcel))
            .then_with(|| weighed(other, self).cmp(&weighed(self, other)))
            .then(self.added.cmp(&other.added))
            .then(Reverse(self.taker).cmp(&Reverse(other.taker)))
    }
}

impl PartialOrd for Offer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Task<'_> {
    /// A set that takes every line that can be taken: small, though not always the smallest. With a limit of new
    /// parcels it takes many lines.
    pub(super) fn greedy(&self, effort: &mut Effort) -> Choice {
        let mut takers = self.most_added_lines();
        if self.terms.most_new.is_some() {
            let placings = self.most_placings(&takers, effort);
            let mut choice = Choice { takers, placings };
            if self.is_everything(&choice) {
                self.drop_needless(&mut choice, effort);
            }
            return choice;
        }
        let mut placings = Vec::new();
        for (at, packing) in self.packings.iter().enumerate() {
            let bins = self.bins_of(at, &takers);
            let placing = packing.place(&bins, effort).unwrap_or_else(|| {
                takers.extend(packing.fullest.iter().flatten().map(|(bin, _)| packing.takers()[*bin]));
                takers.sort_unstable();
                takers.dedup();
                packing.fullest.clone()
            });
            placings.push(placing);
        }
        let mut choice = Choice { takers, placings };
        self.drop_needless(&mut choice, effort);
        choice
    }

    /// Repeatedly takes the best offer. Offers only shrink as lines are taken, so a taker whose present offer heads the
    /// heap is the best.
    fn most_added_lines(&self) -> Vec<usize> {
        let mut simple = self.simple.clone();
        // Units that wait, of lines that share stock.
        let mut shared = vec![0; self.line_count];
        for line in self.packings.iter().flat_map(Sharing::lines) {
            shared[*line] = self.quantities[*line];
        }
        let offer = |taker: usize, simple: &Bits, shared: &[i64]| {
            let weight = |(_, units): (usize, i64)| if self.terms.divides { units } else { 1 };
            let added = self.adds_simple(taker, simple) + self.adds(taker, shared).map(weight).sum::<i64>();
            Offer { has_parcel: self.takers[taker].has_parcel, added, cost: self.takers[taker].cost, taker }
        };

        let mut chosen = Vec::new();
        let mut new_left = self.terms.most_new.unwrap_or(usize::MAX);
        let mut heap: BinaryHeap<Offer> = self.kept.iter().map(|taker| offer(*taker, &simple, &shared)).collect();
        while let Some(head) = heap.pop() {
            let taker = head.taker;
            let now = offer(taker, &simple, &shared);
            if now != head {
                heap.push(now);
                continue;
            }
            if head.added == 0 || (!head.has_parcel && new_left == 0) {
                continue;
            }
            new_left -= usize::from(!head.has_parcel);
            chosen.push(taker);
            simple.subtract(self.takers[taker].can);
            let added: Vec<(usize, i64)> = self.adds(taker, &shared).collect();
            for (line, units) in added {
                shared[line] -= units;
            }
        }
        chosen.sort_unstable();
        chosen
    }

    /// What a taker can take of the lines that do not share stock.
    fn adds_simple(&self, taker: usize, waiting: &Bits) -> i64 {
        let can = self.takers[taker].can;
        if self.counts_lines {
            i64::try_from(can.common(waiting)).unwrap_or(i64::MAX)
        } else {
            can.iter().filter(|line| waiting.contains(*line)).map(|line| self.weights[line]).sum()
        }
    }

    /// The lines of shared SKUs that a taker can take of those that wait, with their units.
    fn adds(&self, taker: usize, waiting: &[i64]) -> impl Iterator<Item = (usize, i64)> {
        self.bins[taker].iter().flat_map(|&(packing, bin)| self.packings[packing].takes(bin, waiting))
    }

    /// Drops takers that the others can replace: first those without a parcel, then by cost, then by rank.
    fn drop_needless(&self, choice: &mut Choice, effort: &mut Effort) {
        let mut times = vec![0_u32; self.line_count];
        for line in choice.takers.iter().flat_map(|taker| self.takers[*taker].can.iter()) {
            times[line] += 1;
        }
        let mut worst_first = choice.takers.clone();
        worst_first
            .sort_by_key(|&taker| (self.takers[taker].has_parcel, Reverse(self.takers[taker].cost), Reverse(taker)));
        for taker in worst_first {
            let can = self.takers[taker].can;
            let is_alone = can.iter().any(|line| self.simple.contains(line) && times[line] < 2);
            if is_alone || effort.is_spent() {
                continue;
            }
            let others: Vec<usize> = choice.takers.iter().copied().filter(|other| *other != taker).collect();
            if let Some(placed_again) = self.placed_without(taker, &others, choice, effort) {
                for (packing, placing) in placed_again {
                    choice.placings[packing] = placing;
                }
                can.iter().for_each(|line| times[line] -= 1);
                choice.takers = others;
            }
        }
    }

    /// New placings, with the others only, for the packing problems in which a taker had a part.
    fn placed_without(
        &self,
        taker: usize,
        others: &[usize],
        choice: &Choice,
        effort: &mut Effort,
    ) -> Option<Vec<(usize, Placing)>> {
        self.bins[taker]
            .iter()
            .filter(|(packing, bin)| choice.placings[*packing].iter().flatten().any(|(used, _)| used == bin))
            .map(|&(packing, _)| {
                let bins = self.bins_of(packing, others);
                Some((packing, self.packings[packing].place(&bins, effort)?))
            })
            .collect()
    }
}
