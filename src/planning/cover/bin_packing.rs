//! Bin packing: several lines of one SKU share a location's stock of it, and only some may fit together.
//!
//! Each location is a bin, and each line goes whole into one bin. To place the most lines is hard in general and small
//! in practice: a quick placing and two bounds settle nearly every case, a search with backtracking the others. The
//! search is exact until its [`Effort`] is spent; then the quick placing stands: smallest line first, into the
//! best-ranked bin.

use super::{
    Bits,
    search::{Effort, Search},
};

/// For each line its bin.
pub(super) type Placing = Vec<Option<usize>>;

/// The lines of one SKU and the bins that may take them. Both are numbered within the problem.
#[derive(Debug)]
pub(super) struct BinPacking {
    /// For each line its number in the rule, ascending.
    pub lines: Vec<usize>,
    /// For each bin its taker in the rule, best rank first.
    pub takers: Vec<usize>,
    /// A placing of as many lines as possible in all bins.
    pub fullest: Placing,
    pub quantities: Vec<i64>,
    pub rooms: Vec<i64>,
    /// For each line the bins that may take it.
    pub allowed: Vec<Bits>,
    /// The lines, smallest first; among equals, those with fewer bins first.
    order: Vec<usize>,
}

impl BinPacking {
    /// A problem with these lines (number in the rule, quantity) and bins (taker, room, lines it may take).
    pub(super) fn new(lines: &[(usize, i64)], bins: &[(usize, i64, &Bits)], effort: &mut Effort) -> Self {
        let allowed: Vec<Bits> = lines
            .iter()
            .map(|(line, _)| {
                let mut into = Bits::none(bins.len());
                for (bin, (_, _, can)) in bins.iter().enumerate() {
                    if can.contains(*line) {
                        into.insert(bin);
                    }
                }
                into
            })
            .collect();
        let quantities: Vec<i64> = lines.iter().map(|(_, quantity)| *quantity).collect();
        let mut order: Vec<usize> = (0..lines.len()).collect();
        order.sort_by_key(|&line| (quantities[line], allowed[line].count(), line));
        let mut packing = Self {
            lines: lines.iter().map(|(line, _)| *line).collect(),
            takers: bins.iter().map(|(taker, _, _)| *taker).collect(),
            fullest: Vec::new(),
            quantities,
            rooms: bins.iter().map(|(_, room, _)| *room).collect(),
            allowed,
            order,
        };
        let all: Vec<usize> = (0..packing.takers.len()).collect();
        packing.fullest = packing.most(&all, effort);
        packing
    }

    /// The number of lines that can be placed.
    pub(super) fn wanted(&self) -> usize {
        count(&self.fullest)
    }

    /// A placing in these bins (ascending) that is as good as with all bins. None if there is none, or none was found
    /// before the effort was spent.
    pub(super) fn place(&self, bins: &[usize], effort: &mut Effort) -> Option<Placing> {
        self.pack(0, bins, &self.rooms, self.wanted(), effort)
    }

    /// The waiting lines (number in the rule) that one bin can take, smallest first, with their units.
    pub(super) fn takes(&self, bin: usize, waiting: &[i64]) -> Vec<(usize, i64)> {
        let mut room = self.rooms[bin];
        let takes = self.order.iter().filter(|line| {
            let takes = waiting[self.lines[**line]] > 0 && self.fits(**line, bin, room);
            room -= if takes { self.quantities[**line] } else { 0 };
            takes
        });
        takes.map(|line| (self.lines[*line], self.quantities[*line])).collect()
    }

    /// The same number of lines, moved so that each, beginning with the first, is in the best-ranked of these bins
    /// (ascending) that leaves a place for the others.
    pub(super) fn settle(&self, bins: &[usize], mut placing: Placing, effort: &mut Effort) -> Placing {
        let wanted = count(&placing);
        let mut settled = 0;
        let mut rooms = self.rooms.clone();
        // The room for a line if the lines after it stay where they are.
        let mut free = self.free(&rooms, 0, &placing);
        for line in 0..self.lines.len() {
            let quantity = self.quantities[line];
            if let Some(bin) = placing[line] {
                free[bin] += quantity;
            }
            for &bin in bins.iter().take_while(|bin| placing[line] != Some(**bin)) {
                if self.fits(line, bin, free[bin]) {
                    placing[line] = Some(bin);
                    break;
                }
                if !self.fits(line, bin, rooms[bin]) {
                    continue;
                }
                if effort.is_spent() {
                    effort.cut = true;
                    break;
                }
                let mut after = rooms.clone();
                after[bin] -= quantity;
                let rest = wanted.saturating_sub(settled + 1);
                if let Some(others) = self.pack(line + 1, bins, &after, rest, effort) {
                    placing[line] = Some(bin);
                    placing[line + 1..].copy_from_slice(&others[line + 1..]);
                    free = self.free(&rooms, line + 1, &placing);
                    break;
                }
            }
            if let Some(bin) = placing[line] {
                free[bin] -= quantity;
                rooms[bin] -= quantity;
                settled += 1;
            }
        }
        placing
    }

    /// These rooms, less the lines from `first` on.
    fn free(&self, rooms: &[i64], first: usize, placing: &Placing) -> Vec<i64> {
        let mut free = rooms.to_vec();
        for (line, bin) in placing.iter().enumerate().skip(first) {
            if let Some(bin) = bin {
                free[*bin] -= self.quantities[line];
            }
        }
        free
    }

    /// A placing of as many lines as possible in these bins (ascending).
    pub(super) fn most(&self, bins: &[usize], effort: &mut Effort) -> Placing {
        let quick = self.first_fit(self.order.iter(), bins, &self.rooms, effort);
        let fewest = count(&quick);
        for wanted in (fewest + 1..=self.bound(&self.order, bins, &self.rooms)).rev() {
            if effort.is_spent() {
                effort.cut = true;
                break;
            }
            if let Some(placing) = self.pack(0, bins, &self.rooms, wanted, effort) {
                return placing;
            }
        }
        quick
    }

    /// Places at least `wanted` of the lines from `first` on, or returns none.
    fn pack(&self, first: usize, bins: &[usize], rooms: &[i64], wanted: usize, effort: &mut Effort) -> Option<Placing> {
        let mut looked_at = 0;
        let mut fits_somewhere = |line: usize| {
            line >= first
                && bins.iter().any(|&bin| {
                    looked_at += 1;
                    self.fits(line, bin, rooms[bin])
                })
        };
        let lines: Vec<usize> = self.order.iter().copied().filter(|line| fits_somewhere(*line)).collect();
        effort.spend(self.lines.len() + looked_at);
        if self.bound(&lines, bins, rooms) < wanted {
            return None;
        }
        let placing = self.first_fit(lines.iter(), bins, rooms, effort);
        if count(&placing) >= wanted {
            return Some(placing);
        }
        let placing = self.first_fit(lines[..wanted].iter().rev(), bins, rooms, effort);
        if count(&placing) >= wanted {
            return Some(placing);
        }
        Search::new(self, &lines, bins, rooms, effort).solve(wanted)
    }

    /// True if a bin with this room may take the line.
    pub(super) fn fits(&self, line: usize, bin: usize, room: i64) -> bool {
        self.quantities[line] <= room && self.allowed[line].contains(bin)
    }

    fn first_fit<'l>(
        &self,
        lines: impl Iterator<Item = &'l usize>,
        bins: &[usize],
        rooms: &[i64],
        effort: &mut Effort,
    ) -> Placing {
        let mut placing = vec![None; self.lines.len()];
        let mut rooms = rooms.to_vec();
        for &line in lines {
            let found = bins.iter().position(|&bin| self.fits(line, bin, rooms[bin]));
            effort.spend(found.unwrap_or(bins.len()) + 1);
            if let Some(bin) = found.map(|at| bins[at]) {
                rooms[bin] -= self.quantities[line];
                placing[line] = Some(bin);
            }
        }
        placing
    }

    /// An upper bound: no more of these lines (smallest first) can be placed.
    fn bound(&self, lines: &[usize], bins: &[usize], rooms: &[i64]) -> usize {
        let Some(smallest) = lines.first().map(|line| self.quantities[*line]) else {
            return 0;
        };
        let (by_count, room) = capacity(bins.iter().map(|&bin| rooms[bin]), smallest);
        let mut sum = 0_i128;
        let by_sum = lines.iter().take_while(|line| {
            sum += i128::from(self.quantities[**line]);
            sum <= room
        });
        by_sum.count().min(by_count)
    }
}

/// The number of placed lines.
pub(super) fn count(placing: &Placing) -> usize {
    placing.iter().flatten().count()
}

/// The number of lines of the smallest quantity that fit into the rooms, and the total room.
pub(super) fn capacity(rooms: impl Iterator<Item = i64>, smallest: i64) -> (usize, i128) {
    rooms.filter(|room| *room >= smallest).fold((0, 0), |(lines, sum), room| {
        let fit = usize::try_from(room / smallest).unwrap_or(usize::MAX);
        (fit.saturating_add(lines), i128::from(room) + sum)
    })
}
