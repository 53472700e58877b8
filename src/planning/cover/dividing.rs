//! Dividing lines of one SKU among the takers that have it, unit by unit.
//!
//! How many units some takers can take together is a flow from lines to bins: what is placed first is moved, along the
//! shortest chain of lines that may change their bin, until nothing more fits. So it costs what lines and bins there are,
//! not what units.

use std::{cmp::Reverse, collections::VecDeque};

use super::{Bits, Part, search::Effort, sharing::Placing};

/// The lines of one SKU and the bins that may take units of them. Both are numbered within the problem.
#[derive(Debug)]
pub(super) struct Dividing {
    /// For each line its number in the rule, ascending.
    pub lines: Vec<usize>,
    /// For each bin its taker in the rule, best rank first.
    pub takers: Vec<usize>,
    quantities: Vec<i64>,
    rooms: Vec<i64>,
    /// For each line the bins that may take it.
    allowed: Vec<Bits>,
    /// True if every line may be in the same bins. Then no line is ever in the way of another.
    are_alike: bool,
}

impl Dividing {
    /// A problem with these lines (number in the rule, quantity) and bins (taker, room, lines it may take).
    pub(super) fn new(lines: &[(usize, i64)], bins: &[(usize, i64, &Bits)]) -> Self {
        let allowed: Vec<Bits> = lines
            .iter()
            .map(|(line, _)| {
                let mut into = Bits::none(bins.len());
                for (bin, _) in bins.iter().enumerate().filter(|(_, (_, _, can))| can.contains(*line)) {
                    into.insert(bin);
                }
                into
            })
            .collect();
        Self {
            lines: lines.iter().map(|(line, _)| *line).collect(),
            takers: bins.iter().map(|(taker, _, _)| *taker).collect(),
            quantities: lines.iter().map(|(_, quantity)| *quantity).collect(),
            rooms: bins.iter().map(|(_, room, _)| (*room).max(0)).collect(),
            are_alike: allowed.windows(2).all(|pair| pair[0] == pair[1]),
            allowed,
        }
    }

    /// As many units as possible in these bins.
    pub(super) fn most(&self, bins: &[usize], effort: &mut Effort) -> Placing {
        self.flow(&self.quantities, &self.rooms, bins, effort)
    }

    /// So many units in these bins; none if there is not as much room.
    pub(super) fn place(&self, bins: &[usize], wanted: i64, effort: &mut Effort) -> Option<Placing> {
        let room: i128 = bins.iter().map(|bin| i128::from(self.rooms[*bin])).sum();
        effort.spend(bins.len());
        if room < i128::from(wanted) {
            return None;
        }
        Some(self.most(bins, effort)).filter(|placing| units(placing) >= wanted)
    }

    /// What a bin can take of the units that wait, by the line's number in the rule.
    pub(super) fn takes(&self, bin: usize, waiting: &[i64]) -> Vec<(usize, i64)> {
        let mut room = self.rooms[bin];
        let lines = self.lines.iter().zip(&self.allowed).filter(|(_, allowed)| allowed.contains(bin));
        let takes = lines.map(|(line, _)| {
            let units = waiting[*line].min(room);
            room -= units;
            (*line, units)
        });
        takes.filter(|(_, units)| *units > 0).collect()
    }

    /// As many units as possible in these bins (best rank first). Whole lines come first, each in the first bin that has
    /// room for it and leaves the others theirs; then the others, the largest part first.
    pub(super) fn settle(&self, bins: &[usize], effort: &mut Effort) -> Placing {
        let mut settling = Settling {
            dividing: self,
            bins,
            wanted: units(&self.most(bins, effort)),
            left: self.quantities.clone(),
            rooms: self.rooms.clone(),
            placing: vec![Vec::new(); self.lines.len()],
        };
        for line in 0..self.lines.len() {
            let units = self.quantities[line];
            let whole = bins.iter().find(|bin| settling.takes(line, **bin, units, effort)).copied();
            if let Some(bin) = whole {
                settling.put(line, bin, units);
            }
        }
        for line in 0..self.lines.len() {
            let mut largest_first = bins.to_vec();
            largest_first.sort_by_key(|bin| Reverse(settling.rooms[*bin]));
            for bin in largest_first {
                let units = settling.most_of(line, bin, effort);
                if units > 0 {
                    settling.put(line, bin, units);
                }
            }
        }
        for parts in &mut settling.placing {
            parts.sort_unstable();
        }
        settling.placing
    }

    /// As many of these units as possible in the room of these bins.
    fn flow(&self, quantities: &[i64], rooms: &[i64], bins: &[usize], effort: &mut Effort) -> Placing {
        let mut flow = Flow {
            dividing: self,
            bins,
            left: quantities.to_vec(),
            rooms: bins.iter().map(|bin| rooms[*bin]).collect(),
            given: vec![0; self.lines.len() * bins.len()],
        };
        effort.spend(self.lines.len() * bins.len());
        flow.fill();
        if !self.are_alike {
            flow.rearrange(effort);
        }
        let rows = flow.given.chunks(bins.len().max(1));
        let parts = |row: &[i64]| -> Vec<Part> {
            let parts = bins.iter().zip(row).filter(|(_, units)| **units > 0);
            parts.map(|(bin, units)| (*bin, *units)).collect()
        };
        if bins.is_empty() { vec![Vec::new(); self.lines.len()] } else { rows.map(parts).collect() }
    }
}

/// The units that are placed.
fn units(placing: &Placing) -> i64 {
    placing.iter().flatten().map(|(_, units)| *units).sum()
}

/// Lines that find their bins one after the other.
struct Settling<'d> {
    dividing: &'d Dividing,
    bins: &'d [usize],
    /// How many more units can be placed.
    wanted: i64,
    left: Vec<i64>,
    rooms: Vec<i64>,
    placing: Placing,
}

impl Settling<'_> {
    /// True if a bin can take units of a line, and as many as before can then be placed.
    fn takes(&self, line: usize, bin: usize, units: i64, effort: &mut Effort) -> bool {
        if units > self.left[line] || units > self.rooms[bin] || !self.dividing.allowed[line].contains(bin) {
            return false;
        }
        if self.dividing.are_alike {
            return true;
        }
        let (mut left, mut rooms) = (self.left.clone(), self.rooms.clone());
        left[line] -= units;
        rooms[bin] -= units;
        self::units(&self.dividing.flow(&left, &rooms, self.bins, effort)) == self.wanted - units
    }

    /// The most units of a line that a bin can take so that as many as before can be placed.
    fn most_of(&self, line: usize, bin: usize, effort: &mut Effort) -> i64 {
        let (mut least, mut most) = (0, self.left[line].min(self.rooms[bin]));
        if most <= 0 || self.takes(line, bin, most, effort) {
            return most.max(0);
        }
        // What can be taken is a range. If its beginning is not 0, the line's other bins are too small for the rest.
        let within = self.dividing.flow(&self.left, &self.rooms, self.bins, effort);
        least += within[line].iter().find(|(at, _)| *at == bin).map_or(0, |(_, units)| *units);
        while least < most {
            let middle = most - (most - least) / 2;
            if self.takes(line, bin, middle, effort) {
                least = middle;
            } else {
                most = middle - 1;
            }
        }
        least
    }

    fn put(&mut self, line: usize, bin: usize, units: i64) {
        self.left[line] -= units;
        self.rooms[bin] -= units;
        self.wanted -= units;
        self.placing[line].push((bin, units));
    }
}

/// Units on their way into bins, which are numbered by their place in `bins`.
struct Flow<'d> {
    dividing: &'d Dividing,
    bins: &'d [usize],
    /// For each line the units without a bin.
    left: Vec<i64>,
    /// For each bin the room left.
    rooms: Vec<i64>,
    /// For each line and bin the units in it.
    given: Vec<i64>,
}

impl Flow<'_> {
    fn may(&self, line: usize, bin: usize) -> bool {
        self.dividing.allowed[line].contains(self.bins[bin])
    }

    fn add(&mut self, line: usize, bin: usize, units: i64) {
        self.given[line * self.bins.len() + bin] += units;
    }

    /// Puts what fits where it may be.
    fn fill(&mut self) {
        for line in 0..self.left.len() {
            for bin in 0..self.bins.len() {
                let units = self.left[line].min(self.rooms[bin]);
                if units > 0 && self.may(line, bin) {
                    self.left[line] -= units;
                    self.rooms[bin] -= units;
                    self.add(line, bin, units);
                }
            }
        }
    }

    /// Moves units of some lines to other bins, so that others find room, until that helps nobody.
    fn rearrange(&mut self, effort: &mut Effort) {
        // Lines from which no chain leads to a bin with room: none will.
        let mut stuck = vec![false; self.left.len()];
        for line in 0..self.left.len() {
            while self.left[line] > 0 && !stuck[line] && self.push(line, &mut stuck, effort) {}
        }
    }

    /// Places some units of a line along the shortest chain. False if there is none.
    fn push(&mut self, line: usize, stuck: &mut [bool], effort: &mut Effort) -> bool {
        let (lines, bins) = (self.left.len(), self.bins.len());
        // For each line of the chain the line whose units push it, and out of which bin.
        let mut pushed_by: Vec<Option<(usize, usize)>> = vec![None; lines];
        let mut seen_bins = vec![false; bins];
        let mut queue = VecDeque::from([line]);
        let mut seen = vec![line];
        while let Some(at) = queue.pop_front() {
            effort.spend(bins);
            for (bin, is_seen) in seen_bins.iter_mut().enumerate() {
                if *is_seen || !self.may(at, bin) {
                    continue;
                }
                *is_seen = true;
                if self.rooms[bin] > 0 {
                    self.shift(line, (at, bin), &pushed_by);
                    return true;
                }
                effort.spend(lines);
                for other in 0..lines {
                    let is_new = other != line && pushed_by[other].is_none() && !stuck[other];
                    if is_new && self.given[other * bins + bin] > 0 {
                        pushed_by[other] = Some((at, bin));
                        queue.push_back(other);
                        seen.push(other);
                    }
                }
            }
        }
        for line in seen {
            stuck[line] = true;
        }
        false
    }

    /// Moves as many units along a chain as it can take; its end is the line that goes to a bin with room.
    fn shift(&mut self, line: usize, (mut at, mut to): (usize, usize), pushed_by: &[Option<(usize, usize)>]) {
        let mut steps = vec![(at, to)];
        let mut units = self.rooms[to];
        while at != line {
            let Some((by, from)) = pushed_by[at] else { return };
            units = units.min(self.given[at * self.bins.len() + from]);
            (at, to) = (by, from);
            steps.push((at, to));
        }
        units = units.min(self.left[line]);
        self.left[line] -= units;
        self.rooms[steps[0].1] -= units;
        for (step, (at, to)) in steps.iter().enumerate() {
            self.add(*at, *to, units);
            // It leaves the bin that the line before it comes into.
            if let Some((_, from)) = steps.get(step + 1) {
                self.add(*at, *from, -units);
            }
        }
    }
}
