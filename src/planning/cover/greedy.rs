//! The choice among more takers than every set of them can be looked at.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Bits, Choice, Task, rack::Placing, search::Effort};

impl Task<'_> {
    /// A set that takes all that can be taken, small but not always the smallest.
    pub(super) fn greedy(&self, effort: &mut Effort) -> Choice {
        let mut takers = self.most_added_lines();
        let mut placings = Vec::new();
        for (at, rack) in self.racks.iter().enumerate() {
            let bins = self.bins_of(at, &takers);
            let placing = rack.place(&bins, effort).unwrap_or_else(|| {
                takers.extend(rack.fullest.iter().flatten().map(|bin| rack.takers[*bin]));
                takers.sort_unstable();
                takers.dedup();
                rack.fullest.clone()
            });
            placings.push(placing);
        }
        let mut choice = Choice { takers, placings };
        self.drop_needless(&mut choice, effort);
        choice
    }

    /// Again and again the taker that adds the most lines. What it could add only shrinks as lines
    /// are taken, so one that heads the heap with its present number is the best.
    fn most_added_lines(&self) -> Vec<usize> {
        let mut simple = self.simple.clone();
        let mut shared = Bits::none(self.line_count);
        for line in self.racks.iter().flat_map(|rack| &rack.lines) {
            shared.insert(*line);
        }
        let entry = |taker: usize, simple: &Bits, shared: &Bits| {
            let added = self.takers[taker].can.common(simple) + self.adds(taker, shared).count();
            (self.takers[taker].has_parcel, added, Reverse(taker))
        };

        let mut chosen = Vec::new();
        let mut heap: BinaryHeap<_> = self.kept.iter().map(|taker| entry(*taker, &simple, &shared)).collect();
        while let Some(head) = heap.pop() {
            let (_, added, Reverse(taker)) = head;
            let now = entry(taker, &simple, &shared);
            if now != head {
                heap.push(now);
            } else if added > 0 {
                chosen.push(taker);
                simple.subtract(self.takers[taker].can);
                for line in self.adds(taker, &shared.clone()) {
                    shared.remove(line);
                }
            }
        }
        chosen.sort_unstable();
        chosen
    }

    /// The lines of shared SKUs a taker can take of those that wait.
    fn adds(&self, taker: usize, waiting: &Bits) -> impl Iterator<Item = usize> {
        self.bins[taker].iter().flat_map(|&(rack, bin)| self.racks[rack].takes(bin, waiting))
    }

    /// Drops the takers the others can do without: first those without a parcel, worst rank first.
    fn drop_needless(&self, choice: &mut Choice, effort: &mut Effort) {
        let mut times = vec![0_u32; self.line_count];
        for line in choice.takers.iter().flat_map(|taker| self.takers[*taker].can.iter()) {
            times[line] += 1;
        }
        let mut worst_first = choice.takers.clone();
        worst_first.sort_by_key(|&taker| (self.takers[taker].has_parcel, Reverse(taker)));
        for taker in worst_first {
            let can = self.takers[taker].can;
            let is_alone = can.iter().any(|line| self.simple.contains(line) && times[line] < 2);
            if is_alone || effort.is_spent() {
                continue;
            }
            let others: Vec<usize> = choice.takers.iter().copied().filter(|other| *other != taker).collect();
            if let Some(placed_again) = self.placed_without(taker, &others, choice, effort) {
                for (rack, placing) in placed_again {
                    choice.placings[rack] = placing;
                }
                can.iter().for_each(|line| times[line] -= 1);
                choice.takers = others;
            }
        }
    }

    /// New placings for the racks where a taker had a part, with the others only.
    fn placed_without(
        &self,
        taker: usize,
        others: &[usize],
        choice: &Choice,
        effort: &mut Effort,
    ) -> Option<Vec<(usize, Placing)>> {
        self.bins[taker]
            .iter()
            .filter(|(rack, bin)| choice.placings[*rack].contains(&Some(*bin)))
            .map(|&(rack, _)| {
                let bins = self.bins_of(rack, others);
                Some((rack, self.racks[rack].place(&bins, effort)?))
            })
            .collect()
    }
}
