//! The search with backtracking for [`BinPacking`], and its effort.

use std::collections::BTreeMap;

use super::bin_packing::{BinPacking, Placing, capacity};

/// Steps all searches of one rule may take together: a few milliseconds.
const STEPS: u64 = 1_000_000;
/// Steps one search may take.
const STEPS_OF_ONE_SEARCH: u64 = 50_000;

/// The steps left. They are counted, not timed, so that the same order always gives the same plan.
#[derive(Debug)]
pub(super) struct Effort {
    left: u64,
    /// True if a search ended without an answer: the result is valid but may not be the best.
    pub cut: bool,
}

impl Effort {
    /// The allowance of one rule.
    pub(super) fn of_a_rule() -> Self {
        Self { left: STEPS, cut: false }
    }

    /// True if no step is left.
    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Spends steps.
    pub(super) fn spend(&mut self, steps: usize) {
        self.left = self.left.saturating_sub(steps as u64);
    }
}

/// The result of a branch.
#[derive(PartialEq, Eq)]
enum Branch {
    Found,
    Impossible,
    Cut,
}

/// Backtracking over lines, largest first. Bins and lines are numbered within this search.
pub(super) struct Search<'s> {
    packing: &'s BinPacking,
    lines: Vec<usize>,
    bins: &'s [usize],
    rooms: Vec<i64>,
    placed: Vec<Option<usize>>,
    /// True if a line equals the one before it: the same quantity, the same bins.
    same: Vec<bool>,
    /// For each bin a number. Bins for the same lines have the same number.
    kind: Vec<usize>,
    /// For each line the sum of quantities from it to the last.
    tail: Vec<i128>,
    effort: &'s mut Effort,
    steps: u64,
}

impl<'s> Search<'s> {
    pub(super) fn new(
        packing: &'s BinPacking,
        smallest_first: &[usize],
        bins: &'s [usize],
        rooms: &[i64],
        effort: &'s mut Effort,
    ) -> Self {
        // Of equal lines the one with fewer bins comes first: `skip_is_worth_it` relies on it.
        let mut lines = smallest_first.to_vec();
        lines.sort_by_key(|&line| (-packing.quantities[line], packing.allowed[line].count(), &packing.allowed[line]));
        let same = (0..lines.len())
            .map(|at| {
                at > 0
                    && packing.quantities[lines[at]] == packing.quantities[lines[at - 1]]
                    && packing.allowed[lines[at]] == packing.allowed[lines[at - 1]]
            })
            .collect();
        let mut kinds = BTreeMap::new();
        let kind = bins
            .iter()
            .map(|&bin| {
                let column: Vec<bool> = lines.iter().map(|line| packing.allowed[*line].contains(bin)).collect();
                let next = kinds.len();
                *kinds.entry(column).or_insert(next)
            })
            .collect();
        let mut tail: Vec<i128> = lines
            .iter()
            .rev()
            .scan(0_i128, |sum, line| {
                *sum += i128::from(packing.quantities[*line]);
                Some(*sum)
            })
            .collect();
        tail.reverse();
        effort.spend(lines.len() * bins.len());
        Self {
            packing,
            placed: vec![None; lines.len()],
            rooms: bins.iter().map(|&bin| rooms[bin]).collect(),
            steps: effort.left.min(STEPS_OF_ONE_SEARCH),
            lines,
            bins,
            same,
            kind,
            tail,
            effort,
        }
    }

    /// Places at least `wanted` lines. None if that is impossible, or the effort is spent.
    pub(super) fn solve(mut self, wanted: usize) -> Option<Placing> {
        let allowance = self.steps;
        let found = self.descend(0, wanted);
        self.effort.left = self.effort.left.saturating_sub(allowance - self.steps);
        self.effort.cut |= found == Branch::Cut;
        (found == Branch::Found).then(|| {
            let mut placing = vec![None; self.packing.lines.len()];
            for (line, bin) in self.lines.iter().zip(&self.placed) {
                placing[*line] = bin.map(|bin| self.bins[bin]);
            }
            placing
        })
    }

    /// Places `wanted` more of the lines from `at` on. The recursion is as deep as there are lines.
    fn descend(&mut self, at: usize, wanted: usize) -> Branch {
        if wanted == 0 {
            return Branch::Found;
        }
        let left = self.lines.len() - at;
        if left < wanted || !self.may_hold(wanted) {
            return Branch::Impossible;
        }
        let cost = (self.bins.len() + at) as u64;
        if self.steps < cost {
            return Branch::Cut;
        }
        self.steps -= cost;

        let line = self.lines[at];
        let quantity = self.packing.quantities[line];
        for bin in self.first_bin(at)..self.bins.len() {
            let room = self.rooms[bin];
            if !self.packing.fits(line, self.bins[bin], room) || self.has_twin(at, bin) {
                continue;
            }
            self.rooms[bin] = room - quantity;
            self.placed[at] = Some(bin);
            let branch = self.descend(at + 1, wanted - 1);
            if branch != Branch::Impossible {
                return branch;
            }
            self.placed[at] = None;
            self.rooms[bin] = room;
        }
        if left > wanted && self.skip_is_worth_it(at) {
            return self.descend(at + 1, wanted);
        }
        Branch::Impossible
    }

    fn may_hold(&self, wanted: usize) -> bool {
        let lines = self.lines.len();
        let smallest = self.packing.quantities[self.lines[lines - 1]];
        let (by_count, room) = capacity(self.rooms.iter().copied(), smallest);
        by_count >= wanted && room >= self.tail[lines - wanted]
    }

    /// Equal lines can be swapped, so the later one never goes into an earlier bin.
    fn first_bin(&self, at: usize) -> usize {
        if self.same[at] { self.placed[at - 1].unwrap_or(0) } else { 0 }
    }

    /// True if a bin of the same kind with the same room was tried for this line.
    fn has_twin(&mut self, at: usize, bin: usize) -> bool {
        let first = self.first_bin(at);
        self.steps = self.steps.saturating_sub((bin - first) as u64);
        (first..bin).any(|other| self.rooms[other] == self.rooms[bin] && self.kind[other] == self.kind[bin])
    }

    /// False if a line that is no smaller and has no more bins was placed: this one could replace it.
    fn skip_is_worth_it(&self, at: usize) -> bool {
        let allowed = &self.packing.allowed[self.lines[at]];
        !(0..at).any(|earlier| {
            self.placed[earlier].is_some() && self.packing.allowed[self.lines[earlier]].is_within(allowed)
        })
    }
}
