//! Several lines of one SKU share what a location has of it: which of them fit where, together.
//!
//! Each location is a bin, each line goes into one bin whole. To place the most lines is a packing
//! problem, hard in general and tiny in practice: a quick placing and two bounds settle nearly every
//! case, a search with backtracking the rest. The search is exact until its [`Effort`] is
//! spent; then
//! the quick placing, smallest line first into the best-ranked bin, stands.

use super::{
    Bits,
    search::{Effort, Search},
};

/// For each line of a packing the bin it goes to.
pub(super) type Placing = Vec<Option<usize>>;

/// The lines of one SKU and the bins that may take them, both by number within the packing.
#[derive(Debug)]
pub(super) struct BinPacking {
    /// Which line of the rule each line is, ascending.
    pub lines: Vec<usize>,
    /// Which taker of the rule each bin is: best rank first.
    pub takers: Vec<usize>,
    /// A placing of as many lines as possible in all the bins.
    pub fullest: Placing,
    pub quantities: Vec<i64>,
    pub rooms: Vec<i64>,
    /// Per line, the bins that are not forbidden to it.
    pub allowed: Vec<Bits>,
    /// The lines, smallest first, of equals the one with fewer bins first.
    order: Vec<usize>,
}

impl BinPacking {
    /// A packing of these lines (number in the rule, quantity) and bins (taker, room, lines it may take).
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

    /// How many lines can be placed at all.
    pub(super) fn wanted(&self) -> usize {
        count(&self.fullest)
    }

    /// A placing in these bins (ascending) that is as good as all bins together; none: there is none,
    /// or none was found before the effort was spent.
    pub(super) fn place(&self, bins: &[usize], effort: &mut Effort) -> Option<Placing> {
        self.pack(0, bins, &self.rooms, self.wanted(), effort)
    }

    /// The lines (by their number in the rule) one bin can take of those that wait, smallest first.
    pub(super) fn takes(&self, bin: usize, waiting: &Bits) -> impl Iterator<Item = usize> {
        let mut room = self.rooms[bin];
        self.order.iter().copied().filter_map(move |line| {
            let takes = waiting.contains(self.lines[line]) && self.fits(line, bin, room);
            takes.then(|| {
                room -= self.quantities[line];
                self.lines[line]
            })
        })
    }

    /// The same number of lines, placed so that each, the first line first, is in the best-ranked of
    /// these bins (ascending) that leaves a place for the others.
    pub(super) fn settle(&self, bins: &[usize], mut placing: Placing, effort: &mut Effort) -> Placing {
        let wanted = count(&placing);
        let mut settled = 0;
        let mut rooms = self.rooms.clone();
        // What is left for a line when those after it stay where they are.
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

    /// These rooms, less the lines from `first` on as they are placed.
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

    /// Places at least `wanted` of the lines from `first` on, or says that it cannot.
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

    /// Whether a bin with this room left may take a line.
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

    /// No more of these lines (smallest first) than this can be placed.
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

/// How many lines a placing places.
pub(super) fn count(placing: &Placing) -> usize {
    placing.iter().flatten().count()
}

/// How many lines of the smallest quantity the rooms hold, and how much they hold of anything.
pub(super) fn capacity(rooms: impl Iterator<Item = i64>, smallest: i64) -> (usize, i128) {
    rooms.filter(|room| *room >= smallest).fold((0, 0), |(lines, sum), room| {
        let fit = usize::try_from(room / smallest).unwrap_or(usize::MAX);
        (fit.saturating_add(lines), i128::from(room) + sum)
    })
}
